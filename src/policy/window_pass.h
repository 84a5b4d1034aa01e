// Attention of the observation window's queries over all entries of the KV-head groups of a layer,
// handed out in slices of the window, and the ways to fold its rows into one (docs/policies.md,
// what all policies share and rest-kv).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/workers.h"
#include "policy/group_rows.h"
#include "restkv/policy.h"

namespace restkv {

// The window cut into slices of as many rows as a second-level cache holds for all heads of a
// group. It depends on shapes alone: what is folded slice by slice is the same for any number of
// threads.
struct WindowSlices {
  int64_t n_query = 0;
  int64_t first_row = 0;  // the rows before it are left out
  int64_t n_row = 0;      // of a slice; the last may have fewer

  WindowSlices(std::span<const Observation> groups, int64_t first_row);
  int64_t count() const { return (n_query - first_row + n_row - 1) / n_row; }
};

// Rows of one query head: those of one slice.
struct SliceRows {
  size_t group = 0;
  int64_t slice = 0;
  RowBlock block;
};

// Calls visit once for every head of every slice of every group; the rows of a block lie oldest
// first, over all n_entry keys of the group. Concurrent for different slices and groups.
// REQUIRES: queries and keys of all groups, as many queries in each.
void for_each_slice(std::span<const Observation> groups, const WindowSlices& slices,
                    Workers& workers, const std::function<void(const SliceRows&)>& visit);

// Bytes that it and a RowFold for every group take at most, for n_group groups of n_head query
// heads with n_entry entries each.
size_t window_pass_bytes(int64_t n_group, int64_t n_head, int64_t n_entry, int64_t n_query,
                         int n_threads);

enum class Fold {
  sum,
  mean,
  ema,      // y starts as the oldest row, then y <- alpha row + (1 - alpha) y
  inv_ema,  // the same from the newest row to the oldest
  last,     // the newest row alone
};

// Weights [n_query] with which a fold adds up the rows.
std::vector<float> fold_factors(Fold fold, double alpha, int64_t n_query);

// Folds the rows of every head of a group into one: slice by slice, then the slices.
class RowFold {
 public:
  RowFold(std::span<const float> factors, int64_t n_slice, int64_t n_head, int64_t n_column);

  // Concurrent for different slices and heads.
  void add(int64_t slice, const RowBlock& block);
  // Columns first .. first + count - 1 of all heads become complete, after all slices were added.
  // Concurrent for different columns.
  void merge(int64_t first, int64_t count);

  // [stride] of one head, n_column of them meaningful.
  std::span<float> row(int64_t head);
  float* data() { return rows_.get(); }
  int64_t stride() const { return stride_; }

 private:
  float* slice_row(int64_t slice, int64_t head) {
    return rows_.get() + (slice * n_head_ + head) * stride_;
  }

  std::vector<float> factors_;
  int64_t n_slice_, n_head_, n_column_, stride_;
  std::unique_ptr<float[]> rows_;  // [n_slice][n_head][stride]
};

// The rows of every head of a group folded at once; not for the folds that need an alpha.
RowFold folded_rows(const Observation& group, Fold fold, int64_t n_column);

// score_layer() of the policies whose raw score is a fold of the attention itself: the fold over
// the past columns, smoothed alike for all heads. Error: capacity.
Status score_by_attention(std::span<const Observation> groups, Fold fold,
                          const Smoothing& smoothing, Workers& workers,
                          std::span<GroupScores> scores);

}  // namespace restkv
