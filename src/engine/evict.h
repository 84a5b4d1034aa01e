// Which entries of a layer stay: observe, score, split, select. This is where policy and cache
// meet; neither knows the other. Whether the entries come from a prompt's scratch or from a cache
// that is compacted already makes no difference here.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/workers.h"
#include "engine/plan.h"
#include "engine/query_log.h"
#include "engine/shared_scores.h"
#include "restkv/tensor_view.h"

namespace restkv {

// One layer as eviction sees it. A store head holds rows of its own: a KV head, or a query head
// once a cache has one for each.
struct LayerView {
  int32_t layer = 0, n_layer = 1;
  int32_t n_head = 1, head_dim = 1;
  int64_t n_seen = 0;  // tokens of the sequence, evicted ones included
  float attention_scale = 0.0f;
  // [n_store], each [n_entry][head_dim], keys as rotated as `queries`.
  std::vector<RowsView> keys, values;
  std::vector<std::span<const int32_t>> positions;  // [n_store][n_entry]
  QueryRows queries;                                // of all query heads, the newest last
  int64_t n_since = 0;                              // of them, read since the policy last ran
  // [n_head][n_entry] what the keys received from the queries since then, where it is known;
  // causal.
  std::span<const double> column_sums;
  bool tiles = false;                           // sums may come from the tile kernel
  TensorView<const float, 3> wo_factor;         // [n_head][head_dim][head_dim]
  TensorView<const float, 2> query_mean;        // [n_head][head_dim]
  TensorView<const float, 3> query_covariance;  // [n_head][head_dim][head_dim]
  // [n_store][n_group * n * state_per_entry], n the entries that were there then.
  std::span<const std::vector<float>> entry_state;
  LayerState* state = nullptr;

  int32_t n_store() const { return static_cast<int32_t>(keys.size()); }
  int32_t n_group() const { return n_head / n_store(); }
};

struct LayerChoice {
  std::vector<std::vector<int32_t>> kept;  // [n_cached_head], ascending entry indices
  // [n_cached_head] of the kept entries; empty where the policy has no such state.
  std::vector<std::vector<float>> entry_state;
  // [n_cached_head] new values of all entries [n_entry][head_dim]; empty where nothing is merged.
  std::vector<std::vector<float>> merged_values;
};

// Cached heads: store heads, or query heads with granularity query_head. Where nothing is to be
// evicted every entry stays and no statistic is touched.
// Errors: capacity (a budget that does not hold what must stay, memory), usage (the policy's own),
// runtime (a count that is not the split's own). shared: looked into first, and added to;
// nullptr: nothing is shared.
Result<LayerChoice> choose_entries(const CachePlan& plan, const LayerView& layer, Workers& workers,
                                   SharedScores* shared = nullptr);

}  // namespace restkv
