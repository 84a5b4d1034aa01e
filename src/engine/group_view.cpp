#include "engine/group_view.h"

#include <algorithm>
#include <cstring>

namespace restkv {

GroupView::GroupView(const CachePlan& plan, const LayerView& layer, int32_t store) {
  const int32_t n_group = layer.n_group();
  const int64_t d = layer.head_dim, first = int64_t{store} * n_group;
  view_.context = {layer.layer, layer.n_layer, plan.config.budget, plan.window, plan.config.strict};
  view_.attention_scale = layer.attention_scale;
  view_.keys = layer.keys[store];
  view_.positions = layer.positions[store];
  view_.n_group = n_group;
  view_.kv_head = store;
  if (plan.n_last_query() > 0) copy_queries(layer, first, plan.n_last_query());
  if (plan.needs(Statistic::values)) view_.values = layer.values[store];
  if (plan.needs(Statistic::wo_factor)) {
    view_.wo_factor = {layer.wo_factor.row(first, 0), {n_group, d, d}};
  }
  if (plan.needs(Statistic::query_moments)) {
    view_.query_mean = {layer.query_mean.row(first), {n_group, d}};
    view_.query_covariance = {layer.query_covariance.row(first, 0), {n_group, d, d}};
  }
  const int64_t per_entry = plan.traits.state_per_entry;
  if (per_entry > 0 && !layer.entry_state.empty()) {
    expand_state(layer.entry_state[store], per_entry);
  }
}

// The last n rows of every query head of the group as one block.
void GroupView::copy_queries(const LayerView& layer, int64_t first, int64_t n) {
  const int64_t d = layer.head_dim;
  queries_.resize(view_.n_group * n * d);
  for (int64_t g = 0; g < view_.n_group; ++g) {
    std::memcpy(queries_.data() + g * n * d,
                layer.queries.row(first + g, layer.queries.n_query - n), n * d * sizeof(float));
  }
  view_.queries = {queries_.data(), {view_.n_group, n, d}};
}

// Entries that are new since the policy last ran start from zero.
void GroupView::expand_state(const std::vector<float>& known, int64_t per_entry) {
  if (known.empty()) return;
  const int64_t n_known = static_cast<int64_t>(known.size()) / view_.n_group;
  const int64_t n = view_.n_entry() * per_entry;
  state_.assign(view_.n_group * n, 0.0f);
  for (int64_t g = 0; g < view_.n_group; ++g)
    std::copy_n(known.begin() + g * n_known, n_known, state_.begin() + g * n);
  view_.entry_state = {state_.data(), {view_.n_group, view_.n_entry(), per_entry}};
}

}  // namespace restkv
