#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/prefill_attention.h"

namespace restkv::kernels {
namespace {

// A packed block: keys [kKeyBlock][head_dim], then values alike, in float.
int64_t block_floats(int64_t head_dim) {
  return 2 * kKeyBlock * head_dim;
}

size_t packed_bytes(int64_t n_key, int64_t head_dim) {
  return static_cast<size_t>(n_key_blocks(n_key) * block_floats(head_dim)) * sizeof(float);
}

size_t scratch_bytes(int64_t head_dim) {
  return static_cast<size_t>(head_dim) * sizeof(double);
}

void pack(const PackKeys& args, int64_t first, int64_t count) {
  const int64_t d = args.keys.n_col;
  for (int64_t b = first; b < first + count; ++b) {
    float* block = static_cast<float*>(args.packed) + b * block_floats(d);
    std::fill_n(block, block_floats(d), 0.0f);
    const int64_t n_row = std::min(kKeyBlock, args.n_key - b * kKeyBlock);
    load_rows(args.keys, b * kKeyBlock, n_row, block);
    load_rows(args.values, b * kKeyBlock, n_row, block + kKeyBlock * d);
  }
}

struct Range {
  int64_t begin, end;
};

Range visible_keys(const PrefillQueries& queries, int64_t row) {
  const int64_t end = queries.causal
                          ? std::clamp(queries.first_visible + row, int64_t{0}, queries.n_key)
                          : queries.n_key;
  return {queries.window > 0 ? std::max(int64_t{0}, end - queries.window) : 0, end};
}

const float* packed_row(const void* packed, int64_t head_dim, int64_t key, bool value) {
  return static_cast<const float*>(packed) + key / kKeyBlock * block_floats(head_dim) +
         (key % kKeyBlock + (value ? kKeyBlock : 0)) * head_dim;
}

double logit(const PrefillQueries& queries, const void* packed, int64_t head, int64_t row,
             int64_t key) {
  const float* q = queries.data + head * queries.head_stride + row * queries.row_stride;
  const float* k = packed_row(packed, queries.head_dim, key, false);
  double dot = 0.0;
  for (int64_t c = 0; c < queries.head_dim; ++c)
    dot += double{q[c]} * k[c];
  return dot * queries.scale;
}

bool selected(const BlockSelection& selection, int64_t unit, int64_t key) {
  if (selection.offsets == nullptr) return true;
  return std::binary_search(selection.blocks + selection.offsets[unit],
                            selection.blocks + selection.offsets[unit + 1],
                            static_cast<int32_t>(key / kKeyBlock));
}

// The log-sum-exp of a row; its output in sums [head_dim] where sums is not null.
double attend_row(const PrefillAttention& args, int64_t unit, int64_t row, double* sums) {
  const PrefillQueries& queries = args.queries;
  const int64_t d = sums == nullptr ? 0 : queries.head_dim;
  const Range range = visible_keys(queries, row);
  double largest = -std::numeric_limits<double>::infinity();
  double total = 0.0;
  std::fill_n(sums, d, 0.0);
  for (int64_t j = range.begin; j < range.end; ++j) {
    if (!selected(args.selection, unit, j)) continue;
    const double x = logit(queries, args.packed, unit / n_query_blocks(queries.n_row), row, j);
    const double shrink = x > largest ? std::exp(largest - x) : 1.0;
    largest = std::max(largest, x);
    const double weight = std::exp(x - largest);
    total = total * shrink + weight;
    const float* v = packed_row(args.packed, queries.head_dim, j, true);
    for (int64_t c = 0; c < d; ++c)
      sums[c] = sums[c] * shrink + weight * v[c];
  }
  for (int64_t c = 0; c < d && total > 0.0; ++c)
    sums[c] /= total;
  return largest + std::log(total);
}

uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void run_unit(const PrefillAttention& args, int64_t unit, double* sums) {
  const int64_t n_block = n_query_blocks(args.queries.n_row);
  const int64_t head = unit / n_block;
  const int64_t first = unit % n_block * kQueryBlock;
  for (int64_t r = first; r < std::min(first + kQueryBlock, args.queries.n_row); ++r) {
    const double lse = attend_row(args, unit, r, sums);
    if (args.lse != nullptr) args.lse[head * args.queries.n_row + r] = static_cast<float>(lse);
    const int64_t offset = head * args.output_head_stride + r * args.output_row_stride;
    for (int64_t c = 0; sums != nullptr && c < args.queries.head_dim; ++c) {
      const auto value = static_cast<float>(sums[c]);
      if (args.output != nullptr) args.output[offset + c] = value;
      if (args.output_bf16 != nullptr) args.output_bf16[offset + c] = to_bf16(value);
    }
  }
}

void attend(const PrefillAttention& args, int64_t unit, void* scratch) {
  run_unit(args, unit, static_cast<double*>(scratch));
}

void log_sum_exp(const PrefillAttention& args, int64_t unit, void* /*scratch*/) {
  run_unit(args, unit, nullptr);
}

void column_sums(const ColumnSums& args, int64_t unit, void* /*scratch*/) {
  const PrefillQueries& queries = args.queries;
  const int64_t head = unit % queries.n_head;
  const int64_t first = unit / queries.n_head * kColumnSpan * kKeyBlock;
  const int64_t end = std::min(queries.n_key, first + kColumnSpan * kKeyBlock);
  for (int64_t r = 0; r < queries.n_row; ++r) {
    const double lse = args.lse[head * queries.n_row + r];
    if (std::isinf(lse)) continue;
    const Range range = visible_keys(queries, r);
    for (int64_t j = std::max(first, range.begin); j < std::min(end, range.end); ++j) {
      args.sums[head * args.stride + j] += std::exp(logit(queries, args.packed, head, r, j) - lse);
    }
  }
}

}  // namespace

constinit const PrefillAttentionKernels kPrefillAttentionRef = {
    packed_bytes, scratch_bytes, pack, attend, log_sum_exp, column_sums};

}  // namespace restkv::kernels
