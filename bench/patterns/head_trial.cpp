#include "bench/patterns/head_trial.h"

#include <algorithm>
#include <cmath>

#include "core/clock.h"
#include "kernels/dispatch.h"
#include "sparse/pattern.h"
#include "sparse/pooled_rows.h"
#include "sparse/select.h"

namespace restkv::bench {
namespace {

using sparse::kBlock;

double length(const float* a, const float* b, int64_t n) {
  double squares = 0.0;
  for (int64_t i = 0; i < n; ++i) {
    const double x = b == nullptr ? double{a[i]} : double{a[i]} - b[i];
    squares += x * x;
  }
  return std::sqrt(squares);
}

// The rows of a mask [n_query_block][n_key_block] of a whole prompt, chunk by chunk.
void select_chunks(const HeadRead& head, const RowsView& pooled, const sparse::HeadPattern& pattern,
                   std::vector<uint8_t>* mask, sparse::BlockCount* blocks) {
  const int64_t n = head.n_query, d = head.keys.n_col, n_key_block = sparse::n_blocks(n);
  mask->assign(n_key_block * n_key_block, 0);
  sparse::Coverage covered;
  for (int64_t first = 0; first < n; first += head.chunk) {
    const int64_t end = std::min(first + head.chunk, n);
    const sparse::QuerySpan span{
        .n_query = end - first,
        .n_key = end,
        .n_dense = sparse::n_dense_queries(first, end - first, n, sparse::kDenseTail)};
    std::vector<uint8_t> part(span.n_query_block() * span.n_key_block());
    std::vector<float> scratch(sparse::select_scratch(span, d));
    sparse::select_blocks({.pattern = &pattern,
                           .span = span,
                           .mask = part.data(),
                           .queries = head.queries + first * d,
                           .query_stride = d,
                           .pooled_keys = pooled,
                           .scale = head.scale,
                           .n_block_left = sparse::n_blocks(n - end),
                           .covered = &covered,
                           .scratch = scratch.data()});
    for (int64_t b = 0; b < span.n_query_block(); ++b) {
      std::copy_n(part.begin() + b * span.n_key_block(), span.n_key_block(),
                  mask->begin() + (first / kBlock + b) * n_key_block);
    }
    blocks->computed += std::count(part.begin(), part.end(), 1);
    blocks->causal += sparse::count_causal(span);
  }
}

}  // namespace

std::vector<float> pool_keys(const RowsView& keys) {
  std::vector<float> pooled(sparse::n_pooled(keys.n_row) * keys.n_col);
  sparse::pool_rows(keys, 0, sparse::n_pooled(keys.n_row), pooled.data());
  return pooled;
}

HeadTrial::HeadTrial(const HeadRead& head) : head_(head) {
  const int64_t d = head.keys.n_col;
  pooled_ = {head.pooled_keys.data(), ElementType::f32, sparse::n_pooled(head.keys.n_row), d, d};
  // An odd step, so that all places of a block are met; the dense tail is exact anyway.
  const int64_t step = head.sample | 1;
  for (int64_t row = step / 2; row < head.n_query - sparse::kDenseTail; row += step)
    rows_.push_back(row);
  attend_densely();
}

void HeadTrial::attend_densely() {
  const auto& window = *kernels::best_kernels().window_attention;
  const int64_t d = head_.keys.n_col, n = static_cast<int64_t>(rows_.size());
  stride_ = kernels::round_up(head_.n_query, kernels::kRowAlign);
  weights_.resize(n * stride_);
  outputs_.resize(n * d);
  std::vector<float> queries, scratch(kernels::scratch_floats(d));
  std::vector<int64_t> visible;
  for (const int64_t row : rows_) {
    queries.insert(queries.end(), head_.queries + row * d, head_.queries + (row + 1) * d);
    visible.push_back(row + 1);
  }
  if (n == 0) return;
  window.attention_rows({queries.data(), n, visible.data(), head_.keys, head_.scale,
                         weights_.data(), stride_, scratch.data()});
  window.attention_output(
      {weights_.data(), stride_, n, head_.values, head_.n_query, outputs_.data(), scratch.data()});
}

void HeadTrial::measure(const std::vector<uint8_t>& mask, PatternQuality* quality) const {
  const int64_t d = head_.keys.n_col, n_block = sparse::n_blocks(head_.n_query);
  const auto n = static_cast<int64_t>(rows_.size());
  std::vector<float> kept = weights_, outputs(n * d), scratch(kernels::scratch_floats(d));
  std::vector<double> mass(n, 0.0);
  for (int64_t r = 0; r < n; ++r) {
    const uint8_t* blocks = mask.data() + rows_[r] / kBlock * n_block;
    float* row = kept.data() + r * stride_;
    for (int64_t j = 0; j <= rows_[r]; ++j) {
      if (blocks[j / kBlock] == 0) row[j] = 0.0f;
      mass[r] += row[j];
    }
  }
  if (n == 0) return;
  kernels::best_kernels().window_attention->attention_output(
      {kept.data(), stride_, n, head_.values, head_.n_query, outputs.data(), scratch.data()});
  for (int64_t r = 0; r < n; ++r) {
    for (int64_t c = 0; c < d; ++c)
      outputs[r * d + c] /= static_cast<float>(mass[r]);
    const float* dense = outputs_.data() + r * d;
    quality->error += length(outputs.data() + r * d, dense, d) / length(dense, nullptr, d) / n;
    quality->mass += mass[r] / n;
  }
}

PatternQuality HeadTrial::run(const PrefillAttention& method) const {
  PatternQuality quality{.method = method, .n_head = 1};
  const auto pattern = sparse::make_pattern(method);
  const int64_t d = head_.keys.n_col;
  const double start = now_ms();
  const sparse::HeadPattern chosen = (*pattern)->choose({.queries = head_.queries,
                                                         .n_query = head_.n_query,
                                                         .query_stride = d,
                                                         .keys = head_.keys,
                                                         .pooled_keys = pooled_,
                                                         .scale = head_.scale});
  const double middle = now_ms();
  std::vector<uint8_t> mask;
  select_chunks(head_, pooled_, chosen, &mask, &quality.blocks);
  quality.choose_ms = middle - start;
  quality.select_ms = now_ms() - middle;
  quality.n_query_aware = chosen.query_aware ? 1 : 0;
  measure(mask, &quality);
  quality.least_mass = quality.mass;
  return quality;
}

void add_head(const PatternQuality& head, PatternQuality* sum) {
  sum->blocks += head.blocks;
  sum->n_head += head.n_head;
  sum->n_query_aware += head.n_query_aware;
  sum->mass += head.mass;
  sum->least_mass = std::min(sum->least_mass, head.least_mass);
  sum->error += head.error;
  sum->choose_ms += head.choose_ms;
  sum->select_ms += head.select_ms;
}

}  // namespace restkv::bench
