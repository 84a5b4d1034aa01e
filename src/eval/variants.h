// The cache configurations that one run compares: every policy of a list at every budget and
// smoothing kernel.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/plan.h"
#include "restkv/options.h"
#include "restkv/status.h"

namespace restkv {

struct Variant {
  // "rest-kv+ada k21 B128", then whatever differs from the defaults: the same for the same
  // configuration, another for any other.
  std::string name;
  std::string policy;  // as the user named it, without its splits: a policy or a preset
  std::shared_ptr<const CachePlan> plan;
  nlohmann::ordered_json options;  // settings that differ from the defaults, by their flags' names
};

struct VariantLists {
  // As policy_item.h reads them: "rest-kv", "snapkv+pyramid", "rest-kv:temporal=mean+ada".
  std::vector<std::string> policies;
  std::vector<int64_t> budgets;
  std::vector<int64_t> kernels;  // of the policies that pool; the others appear once
  HeadBudget ada;                // floor and normalisation of +ada and adakv
};

// By policy, then by kernel, then by budget, in the order of the lists; what would appear twice
// appears where it is first. The full cache has neither budget nor kernel. `base` holds everything
// else for all of them.
// Errors: as CachePlan::make(), with the variant's name in front; usage (an empty list, an
// item that is none).
Result<std::vector<Variant>> make_variants(const VariantLists& lists, const CacheConfig& base);

}  // namespace restkv
