// Attention of the observation window's queries over all entries of a KV-head group, handed out
// block by block, and the ways to fold its rows into one (policies.md sections 1, 2.1 and 2.5).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kernels/dispatch.h"
#include "restkv/policy.h"

namespace restkv {

// Consecutive rows of one query head; the visitor may change the weights.
struct RowBlock {
  int64_t head = 0;       // in the group
  int64_t first_row = 0;  // query 0 is the oldest
  int64_t n_row = 0;
  float* weights = nullptr;  // [n_row][stride], softmax over all n_entry keys, zeros behind them
  int64_t stride = 0;        // >= round_up(n_entry, kernels::kRowAlign)

  float* row(int64_t i) const { return weights + i * stride; }
};

enum class RowOrder { oldest_first, newest_first };

// Calls visit for every window query from `first_row` on of every head of the group. The blocks of
// one head come in the given order; within a block the rows always lie oldest first. At most 1 MiB
// of weights exists at a time, or 8 rows of every head where that is more. REQUIRES: group.queries
// and group.keys.
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

}  // namespace restkv
