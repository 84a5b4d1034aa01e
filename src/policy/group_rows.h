// Softmax rows of all query heads of one KV-head group, a block of queries at a time: the keys'
// tiles are converted and transposed once for all rows of a block.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/dispatch.h"
#include "restkv/policy.h"

namespace restkv {

// Consecutive rows of one query head; the visitor may change the weights.
struct RowBlock {
  int64_t head = 0;       // in the group
  int64_t first_row = 0;  // query 0 is the oldest
  int64_t n_row = 0;
  float* weights = nullptr;  // [n_row][stride], softmax over the visible keys, zeros behind them
  int64_t stride = 0;        // >= round_up(n_entry, kernels::kRowAlign)

  float* row(int64_t i) const { return weights + i * stride; }
};

// Which rows over which keys; the fields mean what they mean in ColumnSums.
struct RowSource {
  TensorView<const float, 3> queries;  // [n_group][n_query][head_dim]
  RowsView keys;                       // [n_entry][head_dim]
  float attention_scale = 0.0f;
  int64_t n_masked = 0;

  int64_t n_group() const { return queries.shape[0]; }
  int64_t n_query() const { return queries.shape[1]; }
  // Keys that a query sees, the first ones.
  int64_t n_visible(int64_t query) const {
    const bool masked = query >= n_query() - n_masked;
    return masked ? keys.n_row - n_query() + query + 1 : keys.n_row;
  }
};

// So many of n_row rows of every head of a group that their weights take at most 1 MiB, or 8 where
// that is more.
int64_t rows_in_cache(int64_t n_group, int64_t n_entry, int64_t n_row);

// One block of rows at a time; its memory serves the next block, of the same source or another.
// Thread safety: none.
class RowMemory {
 public:
  RowMemory() = default;
  // Weights lie in the caller's memory while `size` floats are enough.
  RowMemory(float* memory, int64_t size) : lent_(memory), n_float_(size) {}

  // Floats that the weights of a block take.
  static int64_t n_float(int64_t n_group, int64_t n_entry, int64_t n_row);

  // Rows first .. first + count - 1 of every head over the first n_key keys; what stands from
  // round_up(n_key, kRowAlign) on is unspecified. REQUIRES: no row sees more than n_key keys,
  // 1 <= n_query <= n_entry.
  void compute(const RowSource& source, int64_t first, int64_t count, int64_t n_key);
  RowBlock block(int64_t head, int64_t first, int64_t count);

 private:
  float* weights() { return weights_ ? weights_.get() : lent_; }

  float* lent_ = nullptr;
  int64_t stride_ = 0, n_float_ = 0;
  std::vector<float> queries_;        // [n_group * count][head_dim]
  std::vector<int64_t> visible_;      // [n_group * count]
  std::unique_ptr<float[]> weights_;  // [n_group * count][stride], n_float_ at most
  std::vector<float> scratch_;
};

// The blocks of one source. Thread safety: none. REQUIRES: source outlives it.
class GroupRows {
 public:
  // For blocks of at most rows_per_block() of n_row rows.
  GroupRows(const RowSource& source, int64_t n_row)
      : source_(source), max_rows_(rows_in_cache(source.n_group(), source.keys.n_row, n_row)) {}

  int64_t rows_per_block() const { return max_rows_; }
  // As RowMemory's.
  void compute(int64_t first, int64_t count, int64_t n_key) {
    memory_.compute(source_, first, count, n_key);
  }
  RowBlock block(int64_t head, int64_t first, int64_t count) {
    return memory_.block(head, first, count);
  }

 private:
  const RowSource& source_;
  int64_t max_rows_;
  RowMemory memory_;
};

}  // namespace restkv
