// One KV-head group with everything that a policy can ask for, and every policy in the variants
// that take another path.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "restkv/policy.h"
#include "tests/random.h"

namespace restkv {

constexpr int64_t kHeadDim = 16;
constexpr int64_t kLength = 300;
constexpr int64_t kBudget = 64;
constexpr int64_t kWindow = 32;
constexpr int32_t kGroup = 3;
constexpr int32_t kLayers = 40;

// One KV-head group of random tensors that binary16 holds exactly; `alike`: all entries are equal.
// The view has what the policy declares, nothing else.
struct Group {
  explicit Group(const EvictionPolicy& policy, uint32_t seed = 1, bool alike = false)
      : queries(random_floats(kGroup * kWindow * kHeadDim, seed, 2.0f)),
        last_queries(random_floats(kGroup * kHeadDim, seed + 4, 2.0f)),
        keys(rounded_to_half(random_floats(kLength * kHeadDim, seed + 1))),
        values(rounded_to_half(random_floats(kLength * kHeadDim, seed + 2))),
        means(random_floats(kGroup * kHeadDim, seed + 5)),
        factors(kGroup * kHeadDim * kHeadDim),
        covariances(factors.size()),
        positions(kLength) {
    for (int64_t i = kHeadDim; alike && i < kLength * kHeadDim; ++i) {
      keys[i] = keys[i % kHeadDim];
      values[i] = values[i % kHeadDim];
    }
    half_keys = to_halves(keys);
    half_values = to_halves(values);
    std::iota(positions.begin(), positions.end(), 0);
    make_matrices(seed + 3);
    view.context = {2, kLayers, kBudget, policy.effective_window(kWindow, kBudget), true};
    view.attention_scale = 0.25f;
    view.positions = positions;
    view.n_group = kGroup;
    traits = policy.traits();
    add_statistics();
    use_floats();
  }

  void use_floats() {
    view.keys = {keys.data(), ElementType::f32, kLength, kHeadDim, kHeadDim};
    if (!has(traits.needs, Statistic::values)) return;
    view.values = {values.data(), ElementType::f32, kLength, kHeadDim, kHeadDim};
  }
  void use_halves() {
    view.keys = {half_keys.data(), ElementType::f16, kLength, kHeadDim, kHeadDim};
    if (!has(traits.needs, Statistic::values)) return;
    view.values = {half_values.data(), ElementType::f16, kLength, kHeadDim, kHeadDim};
  }

  PolicyTraits traits;
  std::vector<float> queries, last_queries, keys, values, means, factors, covariances, sums;
  std::vector<uint16_t> half_keys, half_values;
  std::vector<int32_t> positions;
  Observation view;

 private:
  // R_h of a random projection, and covariances, which are R_h' R_h.
  void make_matrices(uint32_t seed) {
    const std::vector<float> wo = random_floats(kGroup * kHeadDim * 40, seed);
    for (int64_t h = 0; h < kGroup; ++h) {
      float* r_h = factors.data() + h * kHeadDim * kHeadDim;
      float* covariance = covariances.data() + h * kHeadDim * kHeadDim;
      projection_factor(wo.data() + h * kHeadDim, 40, kHeadDim, kGroup * kHeadDim, r_h);
      for (int64_t i = 0; i < kHeadDim * kHeadDim; ++i) {
        for (int64_t k = 0; k < kHeadDim; ++k)
          covariance[i] +=
              0.1f * r_h[k * kHeadDim + i / kHeadDim] * r_h[k * kHeadDim + i % kHeadDim];
      }
    }
  }

  void add_statistics() {
    const Statistic needs = traits.needs;
    const TensorView<const float, 3> window{queries.data(), {kGroup, kWindow, kHeadDim}};
    if (has(needs, Statistic::window_queries)) view.queries = window;
    if (has(needs, Statistic::last_query)) {
      view.queries = {last_queries.data(), {kGroup, 1, kHeadDim}};
    }
    if (has(needs, Statistic::wo_factor)) {
      view.wo_factor = {factors.data(), {kGroup, kHeadDim, kHeadDim}};
    }
    if (has(needs, Statistic::query_moments)) {
      view.query_mean = {means.data(), {kGroup, kHeadDim}};
      view.query_covariance = {covariances.data(), {kGroup, kHeadDim, kHeadDim}};
    }
    if (!has(needs, Statistic::column_sums | Statistic::column_sums_noncausal)) return;
    const RowsView rows{keys.data(), ElementType::f32, kLength, kHeadDim, kHeadDim};
    sums = column_sums({0.25f, window, rows, kWindow}).value();
    view.column_sums = {sums.data(), {kGroup, kLength}};
  }
};

// The policies with the switches that change their path.
inline std::vector<PolicyOptions> all_options() {
  std::vector<PolicyOptions> list;
  for (std::string_view name : policy_names())
    list.push_back({.name = std::string(name)});
  for (const char* spatial : {"adaptive", "avgpool", "maxpool", "none"}) {
    for (const char* temporal : {"ema", "mean", "inv-ema", "none"}) {
      list.push_back({.temporal = temporal, .spatial = spatial});
    }
    list.push_back({.mode_before = true, .use_norm = true, .spatial = spatial});
  }
  for (const char* indicator : {"attn", "attn-v"})
    list.push_back({.indicator = indicator});
  list.push_back({.tau = 2.0});
  list.push_back({.use_projection = false});
  list.push_back({.name = "snapkv", .spatial = "maxpool"});
  list.push_back({.name = "snapkv", .temporal = "mean", .spatial = "none"});
  list.push_back({.name = "streaming-llm", .n_sink = 0});
  list.push_back({.name = "expected-attention", .n_sink = 0});
  list.push_back({.name = "lacache", .n_sink = 4});
  list.push_back({.name = "lacache", .n_sink = 4, .span = 9, .overlap = 3});
  list.push_back({.name = "cam", .merge_threshold = 0.5});
  return list;
}

inline std::unique_ptr<EvictionPolicy> made(const PolicyOptions& options) {
  auto policy = make_policy(options);
  EXPECT_TRUE(policy.ok()) << policy.status().message();
  return std::move(*policy);
}

}  // namespace restkv
