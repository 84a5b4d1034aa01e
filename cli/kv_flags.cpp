#include "cli/kv_flags.h"

#include <algorithm>
#include <charconv>

#include "cache/storage.h"
#include "cli/budget_table.h"
#include "cli/flags.h"

namespace restkv::cli {
namespace {

constexpr const char* kOwn = "KV cache: the policy's own";
constexpr std::string_view kTable = "table:";
constexpr int64_t kMaxMib = int64_t{1} << 30;

void add_policy_flags(CLI::App& app, KvFlags& flags) {
  PolicyOptions& policy = flags.config.policy;
  const auto add = [&](const char* name, auto& value, const std::string& help) {
    add_flag_value(app, name, value, help)->group(kOwn);
  };
  add("--kv-window", policy.window, "observation window, tokens");
  add("--kv-alpha", policy.alpha, "rest-kv: EMA weight of the newer row");
  add("--kv-beta", policy.beta, "rest-kv: scale of adaptive smoothing");
  add("--kv-tau", policy.tau, "rest-kv: exponent of the distance");
  add("--kv-mode", flags.mode, "rest-kv: after or before");
  add("--kv-temporal", policy.temporal, "rest-kv: ema, mean, inv-ema, none; snapkv: sum, mean");
  add("--kv-spatial", policy.spatial, "smoothing: adaptive, avgpool, maxpool, none");
  add("--kv-indicator", policy.indicator, "rest-kv: reconstruction, attn, attn-v");
  add("--kv-span", policy.span, "lacache: layers that a rung of the ladder covers");
  add("--kv-overlap", policy.overlap, "lacache: layers that two rungs share");
  add("--kv-merge-threshold", policy.merge_threshold,
      "cam: merge where the probability reaches this; below 0: at random");
  add("--kv-start-ratio", policy.start_ratio,
      "cam: share of the entries, from the first on, that never merge");
  add("--kv-seed", policy.seed, "random, cam: seed");
  const auto add_switch = [&](const char* name, bool& value, const char* help) {
    app.add_flag(name, value, help)->group(kOwn);
  };
  add_switch("--kv-no-projection", flags.no_projection, "rest-kv: leave the output projection out");
  add_switch("--kv-norm", policy.use_norm, "rest-kv, mode before: divide by |output|");
}

// "A:B" as a span; anything else is refused by plan and here.
Result<Protection::Span> parse_pin(const std::string& text) {
  Protection::Span span;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, span.begin);
  if (first.ec == std::errc() && first.ptr != end && *first.ptr == ':') {
    const auto second = std::from_chars(first.ptr + 1, end, span.end);
    if (second.ec == std::errc() && second.ptr == end) return span;
  }
  return Status::usage("--kv-pin is \"" + text + "\", allowed: system, or FIRST:END in tokens");
}

Result<std::optional<LayerBudget>> parse_layer_budget(const std::string& text) {
  if (text.empty()) return std::optional<LayerBudget>();
  LayerBudget budget;
  if (text.starts_with(kTable)) {
    budget.kind = LayerBudget::Kind::table;
    RESTKV_ASSIGN_OR_RETURN(const auto rows, read_budget_table(text.substr(kTable.size())));
    for (const auto& row : rows)
      budget.table.insert(budget.table.end(), row.begin(), row.end());
    return std::optional(budget);
  }
  RESTKV_ASSIGN_OR_RETURN(budget.kind,
                          choose<LayerBudget::Kind>("--kv-layer-budget", text,
                                                    {{"uniform", LayerBudget::Kind::uniform},
                                                     {"pyramid", LayerBudget::Kind::pyramid},
                                                     {"table:FILE", LayerBudget::Kind::table}}));
  return std::optional(budget);
}

Result<std::optional<HeadBudget>> parse_head_budget(const KvFlags& flags) {
  const std::string& text = flags.head_budget;
  HeadBudget budget{.floor = flags.ada_floor, .normalise = !flags.ada_raw, .table = {}};
  if (!(budget.floor >= 0.0 && budget.floor <= 1.0)) {
    return Status::usage("--kv-ada-floor is " + std::to_string(budget.floor) +
                         ", it must be from 0 to 1");
  }
  const bool changed = flags.ada_raw || flags.ada_floor != HeadBudget{}.floor;
  if (text.empty() && !(changed && flags.config.policy.name == "adakv")) {
    return std::optional<HeadBudget>();
  }
  if (text.empty()) budget.kind = HeadBudget::Kind::ada;
  if (text.starts_with(kTable)) {
    budget.kind = HeadBudget::Kind::table;
    RESTKV_ASSIGN_OR_RETURN(budget.table, read_budget_table(text.substr(kTable.size())));
    return std::optional(budget);
  }
  if (!text.empty()) {
    RESTKV_ASSIGN_OR_RETURN(budget.kind,
                            choose<HeadBudget::Kind>("--kv-head-budget", text,
                                                     {{"uniform", HeadBudget::Kind::uniform},
                                                      {"ada", HeadBudget::Kind::ada},
                                                      {"table:FILE", HeadBudget::Kind::table}}));
  }
  return std::optional(budget);
}

Result<std::optional<Schedule>> parse_schedule(const std::string& text) {
  using Kind = Schedule::Kind;
  if (text.empty()) return std::optional<Schedule>();
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  Schedule schedule;
  const Status wrong =
      Status::usage("--kv-schedule is \"" + text + "\", allowed: prompt, turn, decode:N, chunk:N");
  if (colon == std::string::npos) {
    if (name != "prompt" && name != "turn") return wrong;
    schedule.kind = name == "turn" ? Kind::turn : Kind::prompt;
    return std::optional(schedule);
  }
  const char* const end = text.data() + text.size();
  const auto number = std::from_chars(text.data() + colon + 1, end, schedule.every);
  if ((name != "decode" && name != "chunk") || number.ec != std::errc() || number.ptr != end) {
    return wrong;
  }
  schedule.kind = name == "decode" ? Kind::decode : Kind::chunk;
  return std::optional(schedule);
}

Status set_selection(const KvFlags& flags, CacheConfig* config) {
  RESTKV_ASSIGN_OR_RETURN(config->selection.granularity,
                          choose<Granularity>("--kv-granularity", flags.granularity,
                                              {{"kv-head", Granularity::kv_head},
                                               {"query-head", Granularity::query_head}}));
  RESTKV_ASSIGN_OR_RETURN(config->selection.vote,
                          choose<GroupVote>("--kv-group", flags.vote,
                                            {{"mean", GroupVote::mean},
                                             {"max", GroupVote::max},
                                             {"sum", GroupVote::sum},
                                             {"norm-mean", GroupVote::norm_mean}}));
  RESTKV_ASSIGN_OR_RETURN(config->type, choose<StorageType>("--kv-type", flags.type,
                                                            {{"f16", StorageType::f16},
                                                             {"q8_0", StorageType::q8_0},
                                                             {"q4_0", StorageType::q4_0}}));
  if (flags.positions.empty()) return {};
  RESTKV_ASSIGN_OR_RETURN(
      config->positions,
      choose<KeyPositions>("--kv-positions", flags.positions,
                           {{"original", KeyPositions::original}, {"cache", KeyPositions::cache}}));
  return {};
}

Status set_protection(const KvFlags& flags, CacheConfig* config) {
  const int64_t n_sink = config->policy.n_sink;
  if (n_sink < -1) {
    return Status::usage("--kv-sink is " + std::to_string(n_sink) +
                         ", it must be at least 0 (-1: the policy's own)");
  }
  config->protection.n_sink = std::max<int64_t>(0, n_sink);
  for (const std::string& pin : flags.pins) {
    if (pin == "system") continue;
    RESTKV_ASSIGN_OR_RETURN(const Protection::Span span, parse_pin(pin));
    config->protection.pins.push_back(span);
  }
  return {};
}

CLI::Option* group(CLI::Option* option) {
  return option->group("KV cache");
}

}  // namespace

std::string names_of_policies() {
  std::string names;
  for (const auto& list : {policy_names(), preset_names()}) {
    for (const std::string_view name : list)
      names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return names;
}

void add_kv_flags(CLI::App& app, KvFlags& flags) {
  group(add_flag_value(app, "--kv-policy", flags.config.policy.name, names_of_policies()));
  CLI::Option* entries = add_flag_value(app, "--kv-budget", flags.config.budget,
                                        "entries per cached head, window included");
  group(entries);
  group(app.add_option("--kv-budget-mib", flags.budget_mib,
                       "the same as memory: what the compressed cache may take")
            ->excludes(entries));
  add_flag_value(app, "--kv-kernel", flags.config.policy.kernel, "smoothing kernel, odd")
      ->group(kOwn);
  add_kv_flags_but_lists(app, flags);
}

void add_kv_flags_but_lists(CLI::App& app, KvFlags& flags) {
  group(app.add_option("--kv-layer-budget", flags.layer_budget,
                       "split over layers: uniform, pyramid, table:FILE"));
  group(app.add_option("--kv-head-budget", flags.head_budget,
                       "split over a layer's heads: uniform, ada, table:FILE"));
  group(add_flag_value(app, "--kv-ada-floor", flags.ada_floor,
                       "ada: share of a head's part that others cannot take"));
  group(app.add_flag("--kv-ada-raw", flags.ada_raw, "ada: do not normalise the heads' scores"));
  group(app.add_flag("--kv-strict", flags.config.strict,
                     "trim what the method's own rules keep above the budget"));
  group(add_flag_value(app, "--kv-granularity", flags.granularity, "kv-head or query-head"));
  group(add_flag_value(app, "--kv-group", flags.vote,
                       "how a group of query heads votes: mean, max, sum, norm-mean"));
  group(app.add_option("--kv-schedule", flags.schedule,
                       "when the cache is cut: prompt, turn, decode:N, chunk:N"));
  group(app.add_option("--kv-positions", flags.positions,
                       "where keys are rotated to: original, or cache (their index in it)"));
  group(add_flag_value(app, "--kv-type", flags.type, "storage: f16, q8_0, q4_0"));
  group(app.add_option("--kv-sink", flags.config.policy.n_sink,
                       "first entries that always stay (streaming-llm: 4)"));
  group(app.add_option("--kv-pin", flags.pins,
                       "tokens that always stay, FIRST:END, or system; may be repeated")
            ->allow_extra_args(false)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll));
  add_policy_flags(app, flags);
}

bool any_kv_flag_but_full(const CLI::App& app, const KvFlags& flags) {
  if (flags.config.policy.name == "full") return false;
  return std::ranges::any_of(app.get_options(), [](const CLI::Option* option) {
    return option->get_group().starts_with("KV cache") && option->count() > 0;
  });
}

Result<CacheConfig> unchecked_cache_config(const KvFlags& flags) {
  CacheConfig config = flags.config;
  RESTKV_RETURN_IF_ERROR(set_selection(flags, &config));
  RESTKV_ASSIGN_OR_RETURN(
      config.policy.mode_before,
      choose<bool>("--kv-mode", flags.mode, {{"after", false}, {"before", true}}));
  config.policy.use_projection = !flags.no_projection;
  RESTKV_ASSIGN_OR_RETURN(config.layer_budget, parse_layer_budget(flags.layer_budget));
  RESTKV_ASSIGN_OR_RETURN(config.head_budget, parse_head_budget(flags));
  RESTKV_ASSIGN_OR_RETURN(config.schedule, parse_schedule(flags.schedule));
  RESTKV_RETURN_IF_ERROR(set_protection(flags, &config));
  return config;
}

Result<CacheConfig> cache_config(const KvFlags& flags) {
  RESTKV_ASSIGN_OR_RETURN(CacheConfig config, unchecked_cache_config(flags));
  if (flags.budget_mib && (*flags.budget_mib < 1 || *flags.budget_mib > kMaxMib)) {
    return Status::capacity("--kv-budget-mib is " + std::to_string(*flags.budget_mib) +
                            ", allowed: 1 to " + std::to_string(kMaxMib));
  }
  // With --kv-budget-mib the budget is known once the model is: fit_budget() checks it then.
  CacheConfig checked = config;
  if (flags.budget_mib) checked.budget = INT32_MAX / 4;
  RESTKV_RETURN_IF_ERROR(CachePlan::make(checked).status());
  return config;
}

bool pins_system(const KvFlags& flags) {
  return std::ranges::find(flags.pins, "system") != flags.pins.end();
}

Status pin_system(int64_t n_system, CacheConfig* config) {
  if (n_system == 0) {
    return Status::usage(
        "--kv-pin is \"system\", the prompt has no system part: it goes with a "
        "chat template only");
  }
  config->protection.pins.push_back({0, n_system});
  return CachePlan::make(*config).status();
}

Status fit_budget(const KvFlags& flags, const HParams& hp, CacheConfig* config) {
  if (!flags.budget_mib) return {};
  const bool per_query = config->selection.granularity == Granularity::query_head;
  const int64_t n_head = per_query ? hp.n_head : hp.n_head_kv;
  RESTKV_RETURN_IF_ERROR(check_storage(config->type, hp.head_dim));
  const int64_t entry = 2 * static_cast<int64_t>(storage_row_bytes(config->type, hp.head_dim));
  const int64_t all = entry * n_head * hp.n_layer;
  config->budget = std::min<int64_t>((*flags.budget_mib << 20) / all, INT32_MAX / 4);
  const Status status = CachePlan::make(*config).status();
  if (status.ok()) return status;
  return Status(status.kind(), "--kv-budget-mib " + std::to_string(*flags.budget_mib) + " holds " +
                                   std::to_string(config->budget) +
                                   " entries per cached head: " + status.message());
}

nlohmann::ordered_json describe(const KvFlags& flags, const CacheConfig& config) {
  constexpr const char* kLayer[] = {"uniform", "pyramid", "table"};
  constexpr const char* kHead[] = {"uniform", "ada", "table"};
  const auto made = CachePlan::make(config);
  const CachePlan& plan = **made;
  return {{"policy", flags.config.policy.name},
          {"budget", config.budget},
          {"layer_budget", kLayer[static_cast<int>(plan.layer_budget.kind)]},
          {"head_budget", kHead[static_cast<int>(plan.head_budget.kind)]},
          {"granularity", flags.granularity},
          {"schedule", schedule_name(plan.schedule)},
          {"positions", plan.rotates_when_read() ? "cache" : "original"},
          {"type", storage_name(config.type)}};
}

}  // namespace restkv::cli
