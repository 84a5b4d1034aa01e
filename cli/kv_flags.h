// The --kv flags: which policy keeps what of the cache, how much, for whom, when.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "engine/plan.h"
#include "model/hparams.h"
#include "restkv/options.h"
#include "restkv/status.h"

namespace restkv::cli {

struct KvFlags {
  CacheConfig config;
  std::optional<int64_t> budget_mib;  // instead of --kv-budget
  std::string granularity = "kv-head";
  std::string vote = "mean";
  std::string mode = "after";
  std::string type = "f16";
  // Empty: the policy's own, or the preset's.
  std::string layer_budget, head_budget, schedule, positions;
  std::vector<std::string> pins;
  double ada_floor = HeadBudget{}.floor;
  bool ada_raw = false, no_projection = false;
};
void add_kv_flags(CLI::App& app, KvFlags& flags);
// The same without --kv-policy, --kv-budget, --kv-budget-mib and --kv-kernel, for a command that
// takes lists of them.
void add_kv_flags_but_lists(CLI::App& app, KvFlags& flags);
// The names that --kv-policy takes, for its help.
std::string names_of_policies();
// What the flags say, whether the policy can work with it or not. Errors: usage, model (a table
// file).
Result<CacheConfig> unchecked_cache_config(const KvFlags& flags);
// True when the command line asks for something that only an eviction would show.
bool any_kv_flag_but_full(const CLI::App& app, const KvFlags& flags);
// Errors: usage (a value that is not one of the allowed), capacity (budget), model (a table file).
Result<CacheConfig> cache_config(const KvFlags& flags);

// --kv-pin system: the caller adds the span once it has tokenized the conversation.
bool pins_system(const KvFlags& flags);
// The span, of n_system tokens. Errors: usage (no system part), capacity (the budget).
Status pin_system(int64_t n_system, CacheConfig* config);
// --kv-budget-mib: the entries that so much memory holds in this model. Error: capacity.
Status fit_budget(const KvFlags& flags, const HParams& hparams, CacheConfig* config);

// What a configuration came to: the "kv" object of JSON output, first half.
// REQUIRES: a configuration that CachePlan::make() accepts.
nlohmann::ordered_json describe(const KvFlags& flags, const CacheConfig& config);

}  // namespace restkv::cli
