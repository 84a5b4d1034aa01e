#include "sparse/select.h"

#include <algorithm>
#include <numeric>

#include "kernels/dispatch.h"
#include "sparse/pooled_rows.h"

namespace restkv::sparse {
namespace {

constexpr int64_t kPerBlock = kBlock / kPool;  // means of a block
constexpr int64_t kBatch = 4;                  // query blocks estimated at a time
constexpr int64_t kBatchRows = kBatch * kPerBlock;

int64_t row_stride(const QuerySpan& span) {
  return kernels::round_up(n_pooled(span.n_key), kernels::kRowAlign);
}

// The estimated share of each key block in the attention of each query block of a chunk.
class Estimate {
 public:
  explicit Estimate(const SelectBlocks& args)
      : args_(args),
        d_(args.pooled_keys.n_col),
        stride_(row_stride(args.span)),
        queries_(args.scratch),
        weights_(queries_ + kBatchRows * d_),
        kernel_scratch_(weights_ + kBatchRows * stride_),
        shares_(kernel_scratch_ + kernels::scratch_floats(d_)) {}

  void run() {
    for (int64_t b = 0; b < args_.span.n_query_block(); b += kBatch)
      run_batch(b, std::min(b + kBatch, args_.span.n_query_block()));
  }

  // [n_key_block]
  std::span<float> shares(int64_t b) const {
    const int64_t n = args_.span.n_key_block();
    return {shares_ + b * n, static_cast<size_t>(n)};
  }

 private:
  void run_batch(int64_t begin, int64_t end) {
    const QuerySpan& span = args_.span;
    const int64_t first = begin * kBlock, n = span.end_query(end - 1) - first;
    const int64_t n_row = n_pooled(n);
    int64_t visible[kBatchRows];
    for (int64_t p = 0; p < n_row; ++p)
      visible[p] = n_pooled(span.first_key(begin) + std::min((p + 1) * kPool, n));
    const RowsView rows{args_.queries + first * args_.query_stride, ElementType::f32, n, d_,
                        args_.query_stride};
    pool_rows(rows, 0, n_row, queries_);
    RowsView keys = args_.pooled_keys;
    keys.n_row = visible[n_row - 1];
    kernels::best_kernels().window_attention->attention_rows(
        {queries_, n_row, visible, keys, args_.scale, weights_, stride_, kernel_scratch_});
    for (int64_t b = begin; b < end; ++b) {
      const int64_t from = (b - begin) * kPerBlock;
      add_up(b, from, std::min(from + kPerBlock, n_row), keys.n_row);
    }
  }

  // The mean of rows from .. to of the batch, summed over the keys of a block.
  void add_up(int64_t b, int64_t from, int64_t to, int64_t n_key) {
    const std::span<float> out = shares(b);
    std::fill(out.begin(), out.end(), 0.0f);
    const float factor = 1.0f / static_cast<float>(to - from);
    for (int64_t r = from; r < to; ++r) {
      const float* row = weights_ + r * stride_;
      for (int64_t j = 0; j < n_key; ++j)
        out[j / kPerBlock] += row[j] * factor;
    }
  }

  const SelectBlocks& args_;
  const int64_t d_, stride_;
  float *queries_, *weights_, *kernel_scratch_, *shares_;
};

void add_query_aware(const SelectBlocks& args) {
  const QuerySpan& span = args.span;
  Estimate estimate(args);
  estimate.run();
  for (int64_t b = 0; b < span.n_query_block(); ++b)
    args.covered->add(estimate.shares(b).first(span.n_visible(b)));
  Coverage all = *args.covered;
  all.add(args.pattern->last, static_cast<double>(args.n_block_left));
  const float least = all.threshold(args.pattern->gamma);
  for (int64_t b = 0; b < span.n_query_block(); ++b) {
    const std::span<const float> shares = estimate.shares(b);
    uint8_t* row = args.mask + b * span.n_key_block();
    for (int64_t j = 0; j < span.n_visible(b); ++j)
      row[j] |= shares[j] >= least ? 1 : 0;
  }
}

// The blocks `distance` before those of the queries of block b.
void add_diagonal(const QuerySpan& span, int64_t b, int64_t distance, uint8_t* row) {
  const int64_t first = std::max<int64_t>(0, span.first_key(b) / kBlock - distance);
  for (int64_t j = first; j <= span.last_key(b) / kBlock - distance; ++j)
    row[j] = 1;
}

void fill_row(const HeadPattern& pattern, const QuerySpan& span, int64_t b, uint8_t* row) {
  const int64_t n_visible = span.n_visible(b);
  std::fill(row, row + span.n_key_block(), uint8_t{0});
  if (span.is_dense(b)) return std::fill(row, row + n_visible, uint8_t{1});
  const int64_t n_first = std::clamp<int64_t>(n_blocks(span.n_cached), 1, n_visible);
  std::fill(row, row + n_first, uint8_t{1});
  for (const int32_t column : pattern.columns) {
    if (column < n_visible) row[column] = 1;
  }
  for (const int64_t distance : {0, 1})
    add_diagonal(span, b, distance, row);
  for (const int32_t distance : pattern.diagonals)
    add_diagonal(span, b, distance, row);
}

}  // namespace

int64_t select_scratch(const QuerySpan& span, int64_t head_dim) {
  return kBatchRows * (head_dim + row_stride(span)) + kernels::scratch_floats(head_dim) +
         span.n_query_block() * span.n_key_block();
}

void select_blocks(const SelectBlocks& args) {
  for (int64_t b = 0; b < args.span.n_query_block(); ++b) {
    fill_row(*args.pattern, args.span, b, args.mask + b * args.span.n_key_block());
  }
  if (args.pattern->query_aware) add_query_aware(args);
}

}  // namespace restkv::sparse
