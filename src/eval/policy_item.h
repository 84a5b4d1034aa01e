// One item of a list of policies: "rest-kv", "snapkv+pyramid", "rest-kv:temporal=mean:tau=0.5+ada".
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "restkv/policy.h"
#include "restkv/status.h"

namespace restkv {

struct PolicyItem {
  std::string policy;  // or a preset
  // Settings of this item alone, by their flags' names without --kv-; a switch has no value.
  std::vector<std::pair<std::string, std::string>> settings{};
  bool pyramid = false, ada = false;
};

// Error: usage (a split that there is none of; a split or a setting that stands twice).
Result<PolicyItem> parse_policy_item(const std::string& text);

// Error: usage (there is no such setting, a value that is no number); make_policy() checks the
// rest.
Status apply_settings(const PolicyItem& item, PolicyOptions* options);
// Error: usage (a setting that the item's policy does not read: it would change nothing, silently).
Status check_settings(const PolicyItem& item, const PolicyTraits& policy);

}  // namespace restkv
