// The one table of presets: published methods that are a policy with budget splits and a schedule.
#include <algorithm>
#include <array>

#include "restkv/options.h"

namespace restkv {
namespace {

enum class Heads { as_set, ada, table };

struct Preset {
  std::string_view name, policy;
  std::string_view temporal{};  // empty: the policy's own
  bool pyramid = false;
  Heads heads = Heads::as_set;
  bool streams = false;  // cut back after every token, keys rotated by their index in the cache
};

constexpr std::array kPresets = {
    Preset{.name = "adakv", .policy = "snapkv", .temporal = "mean", .heads = Heads::ada},
    Preset{.name = "pyramidkv", .policy = "snapkv", .pyramid = true},
    Preset{.name = "headkv", .policy = "snapkv", .temporal = "mean", .heads = Heads::table},
    Preset{.name = "h2o-decode", .policy = "h2o", .streams = true},
    Preset{.name = "streaming-decode", .policy = "streaming-llm", .streams = true},
};

bool has_head_table(const CacheConfig& config) {
  return config.head_budget && config.head_budget->kind == HeadBudget::Kind::table;
}

}  // namespace

std::vector<std::string_view> preset_names() {
  std::vector<std::string_view> names;
  names.reserve(kPresets.size());
  for (const Preset& preset : kPresets)
    names.push_back(preset.name);
  return names;
}

Status apply_preset(CacheConfig* config) {
  const auto preset = std::ranges::find(kPresets, config->policy.name, &Preset::name);
  if (preset == kPresets.end()) return {};
  if (preset->heads == Heads::table && !has_head_table(*config)) {
    return Status::usage("--kv-head-budget is missing: " + std::string(preset->name) +
                         " needs a table of entries for each head of each layer");
  }
  config->policy.name = preset->policy;
  if (config->policy.temporal.empty()) config->policy.temporal = preset->temporal;
  if (preset->pyramid && !config->layer_budget) {
    config->layer_budget = LayerBudget{.kind = LayerBudget::Kind::pyramid};
  }
  if (preset->heads == Heads::ada && !config->head_budget) {
    config->head_budget = HeadBudget{.kind = HeadBudget::Kind::ada};
  }
  if (preset->streams) {
    if (!config->schedule) config->schedule = Schedule{Schedule::Kind::decode, 1};
    if (!config->positions) config->positions = KeyPositions::cache;
  }
  return {};
}

}  // namespace restkv
