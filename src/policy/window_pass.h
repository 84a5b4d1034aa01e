// Attention of the observation window's queries over all entries of a KV-head group, handed out
// block by block, and the ways to fold its rows into one (docs/policies.md, what all policies share
// and rest-kv).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "policy/group_rows.h"
#include "restkv/policy.h"

namespace restkv {

enum class RowOrder { oldest_first, newest_first };

// Calls visit for every window query from `first_row` on of every head of the group. The blocks of
// one head come in the given order; within a block the rows always lie oldest first, over all
// n_entry keys. REQUIRES: group.queries and group.keys.
void for_each_row_block(const Observation& group, RowOrder order, int64_t first_row,
                        const std::function<void(const RowBlock&)>& visit);

enum class Fold {
  sum,
  mean,
  ema,      // y starts as the oldest row, then y <- alpha row + (1 - alpha) y
  inv_ema,  // the same from the newest row to the oldest
  last,     // the newest row alone
};

constexpr RowOrder fold_order(Fold fold) {
  return fold == Fold::inv_ema ? RowOrder::newest_first : RowOrder::oldest_first;
}

// Folds the rows of every head into one. Feed it all blocks of one pass in fold_order.
class RowFold {
 public:
  RowFold(Fold fold, double alpha, int64_t n_head, int64_t n_query, int64_t n_column);

  void add(const RowBlock& block);
  // [stride] of one head, n_column of them meaningful; complete after all its rows were added.
  std::span<float> row(int64_t head);
  float* data() { return rows_.data(); }
  int64_t stride() const { return stride_; }

 private:
  void add_row(const float* weights, int64_t head, int64_t query);

  Fold fold_;
  float alpha_, rest_;
  int64_t n_query_, n_column_, stride_;
  std::vector<float> rows_;  // [n_head][stride]
};

// The rows of every head folded at once; not for the folds that need an alpha.
RowFold folded_rows(const Observation& group, Fold fold, int64_t n_column);

// score() of the policies whose raw score is a fold of the attention itself: the fold over the past
// columns, smoothed alike for all heads. Error: capacity.
Status score_by_attention(const Observation& group, Fold fold, const Smoothing& smoothing,
                          GroupScores* scores);

}  // namespace restkv
