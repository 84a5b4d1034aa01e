// One sequence of tokens and what is remembered of it: its cache, and what later evictions need.
//
// Thread safety: none; one thread changes a sequence at a time.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "cache/kv_cache.h"
#include "engine/plan.h"
#include "engine/query_log.h"
#include "engine/rope_table.h"

namespace restkv {

// Sums over queries before RoPE, for their mean and covariance: [n_head][...].
struct QueryMoments {
  int64_t n = 0;
  std::vector<double> sum;    // [n_head][head_dim]
  std::vector<double> outer;  // [n_head][head_dim][head_dim]
};

// The mean rotation of the positions from `first` on.
struct MeanRotation {
  int64_t first = -1;  // none
  RopeTable table;
  std::vector<float> mean;  // [n_rot], for table.turn()
};

// What one layer remembers beside its entries.
struct LayerMemory {
  QueryLog rotated;  // after RoPE, for keys that keep their original rotation
  QueryLog raw;      // before RoPE
  QueryMoments moments;
  std::unique_ptr<LayerState> policy;           // nullptr for most
  std::vector<std::vector<float>> entry_state;  // [n_cached_head][n_group * n * state_per_entry]
};

struct Sequence {
  std::shared_ptr<const CachePlan> plan;
  KvCache cache;
  std::vector<LayerMemory> memory;  // [n_layer]
  int64_t n_decoded = 0;            // since the last eviction
  double eviction_ms = 0;           // of all cuts so far
  // An extension failed half-way: some layers hold tokens that others do not.
  bool broken = false;

  RopeTable rope;         // where keys are rotated when they are read
  MeanRotation rotation;  // where moments of the queries are asked for
  RopeTable ahead;        // elsewhere: of the positions first_ahead ...
  int64_t first_ahead = 0;

  // Tokens read so far, evicted ones included.
  int64_t n_seen() const { return cache.next_position; }
  // Takes the last n tokens back; the room that they took stays. REQUIRES: nothing was cut since.
  void drop_last(int32_t n) {
    for (LayerCache& layer : cache.layers) {
      for (int32_t i = 0; i < n; ++i)
        layer.drop_last();
    }
    cache.next_position -= n;
  }
  // Entries above n_cached_head * min(budget, tokens) in each layer: what the method's own rules
  // keep beyond the budget that was asked for.
  int64_t over_budget() const {
    if (plan->traits.keeps_all) return 0;
    int64_t allowed = 0;
    for (const LayerCache& layer : cache.layers)
      allowed += layer.n_head() * std::min<int64_t>(plan->config.budget, n_seen());
    return std::max<int64_t>(0, cache.n_entry() - allowed);
  }
};

}  // namespace restkv
