#include "engine/evict.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "core/check.h"
#include "core/parallel.h"

namespace restkv {
namespace {

using Kept = std::vector<std::vector<int32_t>>;  // [n_cached_head], ascending cache indices

// The last `window` query rows of one group as one contiguous block [n_group][window][head_dim].
std::vector<float> window_queries(const LayerScratch& layer, int32_t kv_head, int64_t window) {
  const int32_t n_group = layer.n_head / layer.n_head_kv;
  std::vector<float> block;
  block.reserve(n_group * window * layer.head_dim);
  for (int32_t g = 0; g < n_group; ++g) {
    const float* rows = layer.queries.row(kv_head * n_group + g, layer.n_query - window);
    block.insert(block.end(), rows, rows + window * layer.head_dim);
  }
  return block;
}

Status select_group(const CachePlan& plan, const LayerScratch& layer,
                    std::span<const int32_t> positions, int32_t kv_head, Kept* kept) {
  const PolicyTraits traits = plan.policy->traits();
  const SelectionOptions& options = plan.config.selection;
  const int32_t n_group = layer.n_head / layer.n_head_kv;
  const int64_t d = layer.head_dim;
  Observation group;
  group.context = {layer.layer, layer.n_layer, plan.config.budget, plan.window};
  group.attention_scale = layer.attention_scale;
  group.keys = layer.head_rows(layer.keys, kv_head);
  group.positions = positions;
  group.n_group = n_group;
  std::vector<float> queries;
  if (plan.needs(Statistic::window_queries)) {
    queries = window_queries(layer, kv_head, plan.window);
    group.queries = {queries.data(), {n_group, plan.window, d}};
  }
  if (plan.needs(Statistic::values)) group.values = layer.head_rows(layer.values, kv_head);
  if (plan.needs(Statistic::wo_factor)) {
    group.wo_factor = {layer.wo_factor.row(kv_head * n_group, 0), {n_group, d, d}};
  }
  GroupScores scores;
  RESTKV_RETURN_IF_ERROR(plan.policy->score(group, &scores));
  const std::vector<float> voted =
      vote_and_smooth(scores, traits.vote, options.granularity, options.vote);
  const int64_t n_keep = plan.config.budget - (layer.n_token - scores.n_scored);
  const bool per_query = options.granularity == Granularity::query_head;
  for (int32_t s = 0; s < (per_query ? n_group : 1); ++s) {
    const std::span<const float> row(voted.data() + s * scores.n_scored, scores.n_scored);
    (*kept)[per_query ? kv_head * n_group + s : kv_head] =
        select_entries(row, n_keep, layer.n_token, options.n_sink);
  }
  return {};
}

Result<Kept> select_layer(const CachePlan& plan, const LayerScratch& layer, int n_threads) {
  Kept kept(plan.n_cached_head(layer));
  std::vector<int32_t> all(layer.n_token);
  std::iota(all.begin(), all.end(), 0);
  if (!plan.evicts(layer.n_token) || !plan.policy->applies_to_layer(layer.layer)) {
    std::fill(kept.begin(), kept.end(), all);
    return kept;
  }
  if (plan.policy->traits().position_only) {
    const LayerContext context{layer.layer, layer.n_layer, plan.config.budget, plan.window};
    RESTKV_ASSIGN_OR_RETURN(const std::vector<int32_t> same,
                            plan.policy->select_positions(context, layer.n_token, nullptr));
    std::fill(kept.begin(), kept.end(), same);
    return kept;
  }
  std::vector<Status> status(layer.n_head_kv);
  parallel_for(n_threads, layer.n_head_kv, [&](int64_t head) {
    status[head] = select_group(plan, layer, all, static_cast<int32_t>(head), &kept);
  });
  for (const Status& s : status)
    RESTKV_RETURN_IF_ERROR(s);
  return kept;
}

// What prefill observes. A policy that needs more must not run on empty views.
void check_supported(const PolicyTraits& traits) {
  const auto computed = Statistic::window_queries | Statistic::values | Statistic::wo_factor;
  RESTKV_CHECK((static_cast<uint32_t>(traits.needs) & ~static_cast<uint32_t>(computed)) == 0);
  RESTKV_CHECK(traits.vote != VotePoint::layer && traits.state_per_entry == 0);
}

}  // namespace

RowsView LayerScratch::head_rows(const std::byte* data, int32_t kv_head) const {
  const int64_t stride = int64_t{n_head_kv} * head_dim;
  return {data + static_cast<size_t>(kv_head) * head_dim * element_size(ElementType::f16),
          ElementType::f16, n_token, head_dim, stride};
}

Result<CachePlan> CachePlan::make(const CacheConfig& config) {
  CachePlan plan;
  plan.config = config;
  if (config.budget < 1) {
    return Status::capacity("--kv-budget is " + std::to_string(config.budget) +
                            ", it must be at least 1");
  }
  RESTKV_ASSIGN_OR_RETURN(plan.policy, make_policy(config.policy));
  check_supported(plan.policy->traits());
  plan.window = plan.policy->effective_window(config.policy.window, config.budget);
  if (plan.policy->traits().keeps_all) return plan;
  RESTKV_RETURN_IF_ERROR(plan.policy->check_budget(plan.window, config.budget));
  const int64_t room = config.budget - plan.window;
  if (!plan.policy->traits().position_only && config.selection.n_sink > room) {
    return Status::capacity("--kv-sink is " + std::to_string(config.selection.n_sink) +
                            ", budget and window leave room for " + std::to_string(room));
  }
  return plan;
}

Result<LayerCache> compress_layer(const CachePlan& plan, const LayerScratch& layer, int n_threads,
                                  const std::shared_ptr<KvMeter>& meter) {
  RESTKV_ASSIGN_OR_RETURN(const Kept kept, select_layer(plan, layer, n_threads));
  std::vector<int32_t> capacity;
  for (const auto& entries : kept)
    capacity.push_back(static_cast<int32_t>(entries.size()));
  RESTKV_ASSIGN_OR_RETURN(LayerCache cache, LayerCache::allocate(capacity, layer.head_dim, meter));
  const int32_t per_kv = plan.n_cached_head(layer) / layer.n_head_kv;
  for (int32_t h = 0; h < cache.n_head(); ++h) {
    cache.append_rows(h, layer.head_rows(layer.keys, h / per_kv),
                      layer.head_rows(layer.values, h / per_kv), kept[h]);
  }
  return cache;
}

}  // namespace restkv
