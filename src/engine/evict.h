// From one layer's scratch K/V to its compressed cache: observe, score, select, compact. This is
// where policy and cache meet; neither knows the other.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cache/kv_cache.h"
#include "restkv/options.h"
#include "restkv/policy.h"

namespace restkv {

// K and V of one layer for the whole prompt, as prefill leaves them, and what was seen on the way.
struct LayerScratch {
  int32_t layer = 0, n_layer = 1;
  int32_t n_head = 1, n_head_kv = 1, head_dim = 1;
  int64_t n_token = 0;
  const std::byte* keys = nullptr;    // [n_token][n_head_kv][head_dim] f16, after RoPE
  const std::byte* values = nullptr;  // the same shape
  float attention_scale = 0.0f;
  int64_t n_query = 0;                   // rows of `queries`
  TensorView<const float, 3> queries;    // [n_head][n_query][head_dim], the last n_query rows
  TensorView<const float, 3> wo_factor;  // [n_head][head_dim][head_dim], where it is needed

  RowsView head_rows(const std::byte* data, int32_t kv_head) const;
};

// A cache configuration with its policy made and its limits checked.
struct CachePlan {
  CacheConfig config;
  std::unique_ptr<EvictionPolicy> policy;
  int64_t window = 0;

  // Errors: usage (a policy option), capacity (budget not above the window).
  static Result<CachePlan> make(const CacheConfig& config);
  bool evicts(int64_t n_token) const {
    return !policy->traits().keeps_all && n_token > config.budget;
  }
  bool needs(Statistic statistic) const { return has(policy->traits().needs, statistic); }
  int32_t n_cached_head(const LayerScratch& layer) const {
    return config.selection.granularity == Granularity::query_head ? layer.n_head : layer.n_head_kv;
  }
};

// Errors: capacity (no memory for the compressed layer).
Result<LayerCache> compress_layer(const CachePlan& plan, const LayerScratch& layer, int n_threads,
                                  const std::shared_ptr<KvMeter>& meter);

}  // namespace restkv
