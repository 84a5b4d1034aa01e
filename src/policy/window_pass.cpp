#include "policy/window_pass.h"

#include <algorithm>
#include <cstring>
#include <memory>

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

int64_t rows_per_block(int64_t n_group, int64_t stride, int64_t n_row) {
  const int64_t rows = kBlockFloats / (n_group * stride) / kRowStep * kRowStep;
  return std::clamp(rows, std::min(kRowStep, n_row), n_row);
}

// Attention of rows first .. first + count - 1 of all heads at once: the keys' tiles are
// converted and transposed once for all of them.
class GroupRows {
 public:
  GroupRows(const Observation& group, int64_t max_rows)
      : group_(group),
        stride_(row_stride(group.n_entry())),
        n_group_(group.queries.shape[0]),
        queries_(n_group_ * max_rows * group.keys.n_col),
        visible_(n_group_ * max_rows),
        weights_(std::make_unique_for_overwrite<float[]>(n_group_ * max_rows * stride_)),
        scratch_(kernels::scratch_floats(group.keys.n_col)) {}

  void compute(int64_t first, int64_t count) {
    const int64_t d = group_.keys.n_col;
    const int64_t n_query = group_.queries.shape[1];
    for (int64_t h = 0; h < n_group_; ++h) {
      std::memcpy(queries_.data() + h * count * d, group_.queries.row(h, first),
                  static_cast<size_t>(count * d) * sizeof(float));
      for (int64_t r = 0; r < count; ++r) {
        visible_[h * count + r] = group_.n_entry() - n_query + first + r + 1;
      }
    }
    kernels::best_kernels().window_attention->attention_rows(
        {queries_.data(), n_group_ * count, visible_.data(), group_.keys, group_.attention_scale,
         weights_.get(), stride_, scratch_.data()});
  }

  RowBlock block(int64_t head, int64_t first, int64_t count) {
    return {head, first, count, weights_.get() + head * count * stride_, stride_};
  }

 private:
  const Observation& group_;
  int64_t stride_, n_group_;
  std::vector<float> queries_;        // [n_group * count][head_dim]
  std::vector<int64_t> visible_;      // [n_group * count]
  std::unique_ptr<float[]> weights_;  // [n_group * count][stride]
  std::vector<float> scratch_;
};

}  // namespace

void for_each_row_block(const Observation& group, RowOrder order, int64_t first_row,
                        const std::function<void(const RowBlock&)>& visit) {
  const int64_t n_group = group.queries.shape[0];
  const int64_t n_query = group.queries.shape[1];
  RESTKV_CHECK(n_query >= 1 && n_query <= group.n_entry() && first_row < n_query);
  const int64_t stride = row_stride(group.n_entry());
  const int64_t step = rows_per_block(n_group, stride, n_query - first_row);
  GroupRows rows(group, step);
  const int64_t n_block = (n_query - first_row + step - 1) / step;
  for (int64_t i = 0; i < n_block; ++i) {
    const int64_t which = order == RowOrder::newest_first ? n_block - 1 - i : i;
    const int64_t first = first_row + which * step;
    const int64_t count = std::min(step, n_query - first);
    rows.compute(first, count);
    for (int64_t h = 0; h < n_group; ++h)
      visit(rows.block(h, first, count));
  }
}

RowFold::RowFold(Fold fold, double alpha, int64_t n_head, int64_t n_query, int64_t n_column)
    : fold_(fold),
      alpha_(static_cast<float>(alpha)),
      rest_(static_cast<float>(1.0 - alpha)),
      n_query_(n_query),
      n_column_(n_column),
      stride_(kernels::round_up(n_column, kernels::kRowAlign)),
      rows_(n_head * stride_, 0.0f) {}

void RowFold::add(const RowBlock& block) {
  for (int64_t i = 0; i < block.n_row; ++i) {
    const int64_t r = fold_order(fold_) == RowOrder::newest_first ? block.n_row - 1 - i : i;
    add_row(block.row(r), block.head, block.first_row + r);
  }
}

void RowFold::add_row(const float* weights, int64_t head, int64_t query) {
  const auto blend = kernels::best_kernels().window_attention->blend;
  float* out = rows_.data() + head * stride_;
  const int64_t start = fold_ == Fold::inv_ema ? n_query_ - 1 : 0;
  switch (fold_) {
    case Fold::sum:
      blend(weights, 1.0f, 1.0f, n_column_, out);
      break;
    case Fold::mean:
      blend(weights, 1.0f / static_cast<float>(n_query_), 1.0f, n_column_, out);
      break;
    case Fold::ema:
    case Fold::inv_ema:
      if (query == start) {
        std::copy_n(weights, n_column_, out);
      } else {
        blend(weights, alpha_, rest_, n_column_, out);
      }
      break;
    case Fold::last:
      if (query == n_query_ - 1) std::copy_n(weights, n_column_, out);
      break;
  }
}

std::span<float> RowFold::row(int64_t head) {
  return {rows_.data() + head * stride_, static_cast<size_t>(n_column_)};
}

}  // namespace restkv
