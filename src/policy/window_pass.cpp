#include "policy/window_pass.h"

#include <algorithm>
#include <new>

#include "core/check.h"

namespace restkv {
void for_each_row_block(const Observation& group, RowOrder order, int64_t first_row,
                        const std::function<void(const RowBlock&)>& visit) {
  const int64_t n_query = group.queries.shape[1];
  RESTKV_CHECK(0 <= first_row && first_row < n_query);
  const RowSource source{group.queries, group.keys, group.attention_scale, n_query};
  GroupRows rows(source, n_query - first_row);
  const int64_t step = rows.rows_per_block();
  const int64_t n_block = (n_query - first_row + step - 1) / step;
  for (int64_t i = 0; i < n_block; ++i) {
    const int64_t which = order == RowOrder::newest_first ? n_block - 1 - i : i;
    const int64_t first = first_row + which * step;
    const int64_t count = std::min(step, n_query - first);
    rows.compute(first, count, group.n_entry());
    for (int64_t h = 0; h < source.n_group(); ++h)
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

RowFold folded_rows(const Observation& group, Fold fold, int64_t n_column) {
  const int64_t n_query = group.queries.shape[1];
  RowFold folded(fold, 1.0, group.queries.shape[0], n_query, n_column);
  for_each_row_block(group, fold_order(fold), fold == Fold::last ? n_query - 1 : 0,
                     [&](const RowBlock& block) { folded.add(block); });
  return folded;
}

Status score_by_attention(const Observation& group, Fold fold, const Smoothing& smoothing,
                          GroupScores* scores) {
  try {
    const int64_t n_head = group.queries.shape[0];
    const int64_t n_past = group.n_past();
    RowFold folded = folded_rows(group, fold, n_past);
    *scores = {};
    scores->n_scored = n_past;
    scores->raw.resize(n_head * n_past);
    for (int64_t h = 0; h < n_head; ++h)
      std::ranges::copy(folded.row(h), scores->raw.begin() + h * n_past);
    scores->smoothing.assign(n_head, smoothing);
  } catch (const std::bad_alloc&) {
    return Status::capacity("no memory for the attention of the observation window");
  }
  return {};
}

}  // namespace restkv
