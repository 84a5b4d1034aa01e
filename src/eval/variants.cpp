#include "eval/variants.h"

#include <algorithm>

#include "cache/storage.h"
#include "eval/fingerprint.h"
#include "eval/policy_item.h"

namespace restkv {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

bool differs(const HeadBudget& a, const HeadBudget& b) {
  return a.floor != b.floor || a.normalise != b.normalise;
}

CacheConfig configure(const PolicyItem& item, const VariantLists& lists, const CacheConfig& base) {
  CacheConfig config = base;
  config.policy.name = item.policy;
  if (item.policy == "full") {  // nothing else makes a difference to it
    CacheConfig plain;
    plain.policy.name = item.policy;
    plain.type = base.type;
    plain.positions = base.positions;
    return plain;
  }
  if (item.pyramid) config.layer_budget = LayerBudget{.kind = LayerBudget::Kind::pyramid};
  if (item.ada || (item.policy == "adakv" && !base.head_budget && differs(lists.ada, {}))) {
    config.head_budget = lists.ada;
    config.head_budget->kind = HeadBudget::Kind::ada;
  }
  return config;
}

// What was asked for beside the policy's name; a preset's own split is in its name.
std::string splits_of(const CacheConfig& config) {
  std::string text;
  if (config.layer_budget) {
    const LayerBudget& split = *config.layer_budget;
    if (split.kind == LayerBudget::Kind::pyramid) text += "+pyramid";
    if (split.kind == LayerBudget::Kind::table)
      text += "+layers:" + fingerprint(json(split.table).dump());
  }
  if (config.head_budget && config.policy.name != "adakv") {
    const HeadBudget& split = *config.head_budget;
    if (split.kind == HeadBudget::Kind::ada) text += "+ada";
    if (split.kind == HeadBudget::Kind::table)
      text += "+heads:" + fingerprint(json(split.table).dump());
  }
  return text;
}

// Lists the settings that differ from the defaults, of those that this policy reads.
class Settings {
 public:
  // asked: before a preset was put in place of its name.
  Settings(const CacheConfig& asked, const CachePlan& plan) : asked_(asked), plan_(plan) {
    if (!plan.traits.keeps_all) {
      add_policy();
      add_selection();
    }
    add("kv-type", std::string(storage_name(asked.type)), std::string("f16"));
    add_timing();
  }
  ordered_json options() && { return std::move(options_); }

 private:
  template <typename T>
  void add(const char* flag, const T& value, const T& usual) {
    if (value != usual) options_[flag] = value;
  }
  void add_any(const char* flag, const json& value) { options_[flag] = value; }

  void add_policy() {
    const PolicyOptions &p = asked_.policy, usual;
    const std::string_view name = plan_.traits.name;
    const bool rest_kv = name == "rest-kv", cam = name == "cam", lacache = name == "lacache";
    if (!plan_.traits.position_only) add("kv-window", p.window, usual.window);
    if (rest_kv) {
      add("kv-alpha", p.alpha, usual.alpha);
      add("kv-beta", p.beta, usual.beta);
      add("kv-tau", p.tau, usual.tau);
      if (p.mode_before) add_any("kv-mode", "before");
      add("kv-indicator", p.indicator, usual.indicator);
      add("kv-no-projection", !p.use_projection, false);
      add("kv-norm", p.use_norm, usual.use_norm);
    }
    if (rest_kv || name == "snapkv") {
      add("kv-temporal", p.temporal, usual.temporal);
      add("kv-spatial", p.spatial, usual.spatial);
    }
    if (lacache) {
      add("kv-span", p.span, usual.span);
      add("kv-overlap", p.overlap, usual.overlap);
    }
    if (cam) {
      add("kv-merge-threshold", p.merge_threshold, usual.merge_threshold);
      add("kv-start-ratio", p.start_ratio, usual.start_ratio);
    }
    if (cam || name == "random") add("kv-seed", p.seed, usual.seed);
    add("kv-sink", p.n_sink, usual.n_sink);
  }

  void add_selection() {
    const CacheConfig& c = asked_;
    constexpr const char* kVotes[] = {"mean", "max", "sum", "norm-mean"};
    if (c.selection.granularity == Granularity::query_head) add_any("kv-granularity", "query-head");
    if (c.selection.vote != GroupVote::mean)
      add_any("kv-group", kVotes[static_cast<int>(c.selection.vote)]);
    if (plan_.head_budget.kind == HeadBudget::Kind::ada) {
      add("kv-ada-floor", plan_.head_budget.floor, HeadBudget{}.floor);
      add("kv-ada-raw", !plan_.head_budget.normalise, false);
    }
    add("kv-strict", c.strict, false);
    json pins = json::array();
    for (const Protection::Span& pin : c.protection.pins)
      pins.push_back(std::to_string(pin.begin) + ":" + std::to_string(pin.end));
    if (!pins.empty()) add_any("kv-pin", pins);
  }

  // Schedule and key positions, where they are not what the policy or preset does by itself.
  void add_timing() {
    CacheConfig usual = asked_;
    usual.schedule.reset();
    usual.positions.reset();
    const auto own = CachePlan::make(usual);
    if (!own.ok()) return;
    add("kv-schedule", schedule_name(plan_.schedule), schedule_name((*own)->schedule));
    if ((*own)->positions != plan_.positions)
      add_any("kv-positions", plan_.rotates_when_read() ? "cache" : "original");
  }

  const CacheConfig& asked_;
  const CachePlan& plan_;
  ordered_json options_ = ordered_json::object();
};

std::string setting_text(const std::string& flag, const ordered_json& value) {
  constexpr std::string_view kPrefix = "kv-";
  const std::string name = flag.substr(kPrefix.size());
  if (value.is_boolean()) return name;
  if (value.is_array()) {
    std::string text;
    for (const auto& item : value)
      text.append(text.empty() ? "" : " ").append(setting_text(flag, item));
    return text;
  }
  return name + "=" + (value.is_string() ? value.get<std::string>() : value.dump());
}

std::string name_of(const std::string& policy, const CacheConfig& asked, const CachePlan& plan,
                    const ordered_json& options) {
  std::string name = policy + splits_of(asked);
  if (plan.traits.pools) name += " k" + std::to_string(plan.config.policy.kernel);
  if (!plan.traits.keeps_all) name += " B" + std::to_string(plan.config.budget);
  for (const auto& [flag, value] : options.items())
    name.append(" ").append(setting_text(flag, value));
  return name;
}

// The name is known before the configuration is checked, so that an error can say which it is.
Result<Variant> make_variant(const PolicyItem& item, const CacheConfig& config) {
  auto plan = CachePlan::make(config);
  if (!plan.ok()) {
    const bool full = item.policy == "full";
    return Status(plan.status().kind(), "variant " + item.policy + splits_of(config) +
                                            (full ? "" : " B" + std::to_string(config.budget)) +
                                            ": " + plan.status().message());
  }
  RESTKV_RETURN_IF_ERROR(check_settings(item, (*plan)->traits));
  Variant variant{.name = {}, .policy = item.policy, .plan = *plan, .options = {}};
  variant.options = Settings(config, *variant.plan).options();
  variant.name = name_of(item.policy, config, *variant.plan, variant.options);
  return variant;
}

}  // namespace

Result<std::vector<Variant>> make_variants(const VariantLists& lists, const CacheConfig& base) {
  std::vector<Variant> variants;
  if (lists.policies.empty()) return Status::usage("--kv-policy is empty, it must name a policy");
  if (lists.budgets.empty()) return Status::usage("--kv-budget is empty, it must hold a number");
  if (lists.kernels.empty()) return Status::usage("--kv-kernel is empty, it must hold a number");
  for (const std::string& text : lists.policies) {
    RESTKV_ASSIGN_OR_RETURN(const PolicyItem item, parse_policy_item(text));
    CacheConfig config = configure(item, lists, base);
    RESTKV_RETURN_IF_ERROR(apply_settings(item, &config.policy));
    for (const int64_t kernel : lists.kernels) {
      for (const int64_t budget : lists.budgets) {
        if (item.policy != "full") {
          config.budget = budget;
          config.policy.kernel = kernel;
        }
        RESTKV_ASSIGN_OR_RETURN(Variant variant, make_variant(item, config));
        const bool known = std::ranges::any_of(
            variants, [&](const Variant& other) { return other.name == variant.name; });
        if (!known) variants.push_back(std::move(variant));
      }
    }
  }
  return variants;
}

}  // namespace restkv
