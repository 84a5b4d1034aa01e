// Where the attention of the observation window moves, and the smoothing that follows it
// (ReST-KV's adaptive smoothing; docs/policies.md, rest-kv).
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "policy/group_rows.h"
#include "restkv/policy.h"

namespace restkv {

// The kernel and shift that a drift calls for. quotient = drift / beta.
Smoothing adaptive_smoothing(double quotient, int64_t min_kernel);

// Sums up the positions of the n_top most attended entries of every window query, over all
// n_entry columns. n_query must be even.
class Drift {
 public:
  Drift(int64_t n_head, int64_t n_query, int64_t n_entry, int64_t n_top);

  // Concurrent: whole numbers add up to the same in any order.
  void add(const RowBlock& block);
  // T1 - T2 of one head: the mean position in the older half of the window less that in the newer
  // half. Above 0: attention has been moving toward the beginning.
  double mean_shift(int64_t head) const { return quotient(head, 1.0); }
  // The same divided by beta, in one division: exact where it is a whole number.
  double quotient(int64_t head, double beta) const;

 private:
  int64_t n_query_, n_entry_, n_top_;
  std::vector<std::atomic<int64_t>>
      difference_;  // [n_head] sum over the older half - sum over the newer
};

}  // namespace restkv
