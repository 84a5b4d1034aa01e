#include "policy/group_rows.h"

#include <algorithm>
#include <cstring>

#include "core/check.h"

namespace restkv {
namespace {

constexpr int64_t kBlockFloats = int64_t{1} << 18;  // 1 MiB: half of a second-level cache
constexpr int64_t kRowStep = 8;                     // what the widest register block takes

// Rows a power of two apart would share a few sets of the first-level cache: an odd multiple of
// kRowAlign spreads them.
int64_t row_stride(int64_t n_entry) {
  return kernels::round_up(n_entry, kernels::kRowAlign) | kernels::kRowAlign;
}

}  // namespace

int64_t rows_in_cache(int64_t n_group, int64_t n_entry, int64_t n_row) {
  const int64_t rows = kBlockFloats / (n_group * row_stride(n_entry)) / kRowStep * kRowStep;
  return std::clamp(rows, std::min(kRowStep, n_row), n_row);
}

int64_t RowMemory::n_float(int64_t n_group, int64_t n_entry, int64_t n_row) {
  return n_group * n_row * row_stride(n_entry);
}

void RowMemory::compute(const RowSource& source, int64_t first, int64_t count, int64_t n_key) {
  RESTKV_CHECK(1 <= source.n_query() && source.n_query() <= source.keys.n_row);
  const int64_t d = source.keys.n_col, n_row = source.n_group() * count;
  stride_ = row_stride(source.keys.n_row);
  if (n_row * stride_ > n_float_) {
    n_float_ = n_row * stride_;
    weights_.reset();
    weights_ = std::make_unique_for_overwrite<float[]>(n_float_);
  }
  queries_.resize(n_row * d);
  visible_.resize(n_row);
  scratch_.resize(kernels::scratch_floats(d));
  for (int64_t h = 0; h < source.n_group(); ++h) {
    std::memcpy(queries_.data() + h * count * d, source.queries.row(h, first),
                static_cast<size_t>(count * d) * sizeof(float));
    for (int64_t r = 0; r < count; ++r)
      visible_[h * count + r] = source.n_visible(first + r);
  }
  RowsView keys = source.keys;
  keys.n_row = n_key;
  kernels::best_kernels().window_attention->attention_rows({queries_.data(), n_row, visible_.data(),
                                                            keys, source.attention_scale, weights(),
                                                            stride_, scratch_.data()});
}

RowBlock RowMemory::block(int64_t head, int64_t first, int64_t count) {
  return {head, first, count, weights() + head * count * stride_, stride_};
}

}  // namespace restkv
