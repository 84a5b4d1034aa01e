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

int64_t fitting_rows(int64_t n_group, int64_t stride, int64_t n_row) {
  const int64_t rows = kBlockFloats / (n_group * stride) / kRowStep * kRowStep;
  return std::clamp(rows, std::min(kRowStep, n_row), n_row);
}

}  // namespace

GroupRows::GroupRows(const RowSource& source, int64_t n_row)
    : source_(source),
      stride_(row_stride(source.keys.n_row)),
      max_rows_(fitting_rows(source.n_group(), stride_, n_row)),
      queries_(source.n_group() * max_rows_ * source.keys.n_col),
      visible_(source.n_group() * max_rows_),
      weights_(std::make_unique_for_overwrite<float[]>(source.n_group() * max_rows_ * stride_)),
      scratch_(kernels::scratch_floats(source.keys.n_col)) {
  RESTKV_CHECK(1 <= source.n_query() && source.n_query() <= source.keys.n_row);
}

void GroupRows::compute(int64_t first, int64_t count, int64_t n_key) {
  const int64_t d = source_.keys.n_col;
  for (int64_t h = 0; h < source_.n_group(); ++h) {
    std::memcpy(queries_.data() + h * count * d, source_.queries.row(h, first),
                static_cast<size_t>(count * d) * sizeof(float));
    for (int64_t r = 0; r < count; ++r)
      visible_[h * count + r] = source_.n_visible(first + r);
  }
  RowsView keys = source_.keys;
  keys.n_row = n_key;
  kernels::best_kernels().window_attention->attention_rows(
      {queries_.data(), source_.n_group() * count, visible_.data(), keys, source_.attention_scale,
       weights_.get(), stride_, scratch_.data()});
}

RowBlock GroupRows::block(int64_t head, int64_t first, int64_t count) {
  return {head, first, count, weights_.get() + head * count * stride_, stride_};
}

}  // namespace restkv
