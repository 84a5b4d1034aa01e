// Every policy by its command-line name. A new policy adds its line here and nothing elsewhere.
#include <array>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/workers.h"
#include "policy/factories.h"
#include "policy/options.h"
#include "restkv/options.h"
#include "restkv/policy.h"

namespace restkv {
namespace {

struct Entry {
  std::string_view name;
  PolicyResult (*make)(const PolicyOptions& options);
};

constexpr std::array kPolicies = {
    Entry{"full", make_full},
    Entry{"rest-kv", make_rest_kv},
    Entry{"snapkv", make_snapkv},
    Entry{"h2o", make_h2o},
    Entry{"h2o-noncausal", make_h2o_noncausal},
    Entry{"streaming-llm", make_streaming_llm},
    Entry{"tova", make_tova},
    Entry{"lacache", make_lacache},
    Entry{"cam", make_cam},
    Entry{"l2norm", make_l2norm},
    Entry{"knorm", make_knorm},
    Entry{"expected-attention", make_expected_attention},
    Entry{"random", make_random},
};

// Names that no policy knows are wrong for every policy, also for one that does not ask.
Status check_names(const PolicyOptions& options) {
  RESTKV_RETURN_IF_ERROR(check_choice("--kv-temporal", options.temporal,
                                      {"", "ema", "mean", "inv-ema", "none", "sum"}));
  RESTKV_RETURN_IF_ERROR(check_choice("--kv-spatial", options.spatial,
                                      {"", "adaptive", "avgpool", "maxpool", "none"}));
  return check_choice("--kv-indicator", options.indicator, {"reconstruction", "attn", "attn-v"});
}

}  // namespace

std::vector<std::string_view> policy_names() {
  std::vector<std::string_view> names;
  names.reserve(kPolicies.size());
  for (const Entry& entry : kPolicies)
    names.push_back(entry.name);
  return names;
}

PolicyResult make_policy(const PolicyOptions& options) {
  RESTKV_RETURN_IF_ERROR(check_names(options));
  std::string list;
  for (const Entry& entry : kPolicies) {
    if (entry.name == options.name) return entry.make(options);
    list += (list.empty() ? "" : ", ") + std::string(entry.name);
  }
  std::string presets;
  for (std::string_view name : preset_names())
    presets += (presets.empty() ? "" : ", ") + std::string(name);
  return Status::usage("--kv-policy is '" + options.name + "', it must be one of " + list +
                       ", or a preset: " + presets);
}

int64_t EvictionPolicy::effective_window(int64_t window, int64_t budget) const {
  (void)budget;
  return traits().protects == Protects::window ? window : 0;
}

Status EvictionPolicy::check_budget(int64_t window, int64_t budget, int32_t n_layer) const {
  (void)n_layer;
  const bool has_window = traits().protects == Protects::window;
  if (budget > (has_window ? window : 0)) return {};
  return Status::capacity(
      "--kv-budget is " + std::to_string(budget) + ", it must be " +
      (has_window ? "above the observation window of " + std::to_string(window) : "at least 1"));
}

Status EvictionPolicy::score(const Observation& group, GroupScores* scores) const {
  (void)group, (void)scores;
  RESTKV_CHECK(!"score() of a policy that has none");
  return {};
}

Status EvictionPolicy::score_layer(std::span<const Observation> groups, Workers& workers,
                                   std::span<GroupScores> scores) const {
  std::vector<Status> status(groups.size());
  workers.for_each(static_cast<int64_t>(groups.size()),
                   [&](int64_t g, int) { status[g] = score(groups[g], &scores[g]); });
  for (const Status& s : status)
    RESTKV_RETURN_IF_ERROR(s);
  return {};
}

Result<std::vector<int32_t>> EvictionPolicy::select_positions(const LayerContext& context,
                                                              int64_t n_entry,
                                                              LayerState* state) const {
  (void)context, (void)n_entry, (void)state;
  RESTKV_CHECK(!"select_positions() of a policy that has none");
  return std::vector<int32_t>();
}

}  // namespace restkv
