#include "cli/flags.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <thread>
#include <utility>

#include "engine/evict.h"

namespace restkv::cli {
namespace {

constexpr const char* kDefaultModel = "SmolLM2-135M-Instruct.Q4_1.gguf";

template <typename T>
Result<T> choose(const std::string& flag, const std::string& value,
                 std::initializer_list<std::pair<const char*, T>> allowed) {
  std::string names;
  for (const auto& [name, meaning] : allowed) {
    if (value == name) return meaning;
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return Status::usage(flag + " is \"" + value + "\", allowed: " + names);
}

// Options whose other values come with later versions: present, so that what is there is visible.
Status require_only(const std::string& flag, const std::string& value, const std::string& only) {
  if (value == only) return {};
  return Status::usage(flag + " is \"" + value + "\", this version supports: " + only);
}

}  // namespace

void finish_options(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option->get_lnames().empty() || option->get_lnames().front() == "help") continue;
    std::string variable = "RESTKV_";
    for (const char c : option->get_lnames().front()) {
      variable += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    option->envname(variable);
    if (option->get_expected_max() <= 1) option->take_last();
  }
}

void add_model_flags(CLI::App& app, ModelFlags& flags) {
  app.add_option("-m,--model", flags.path, "GGUF file (default: SmolLM2-135M)");
  add_flag_value(app, "-t,--threads", flags.n_threads, "threads, 0: one for each core");
  add_flag_value(app, "--kernels", flags.kernels,
                 "auto, or ggml: ggml's own kernels in the graph; the same for now");
}

std::string model_path(const ModelFlags& flags) {
  if (!flags.path.empty()) return flags.path;
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  const fs::path beside = program.parent_path().parent_path() / ".deps/models" / kDefaultModel;
  if (fs::exists(beside, ignored)) return beside.string();
  return (fs::path(".deps/models") / kDefaultModel).string();
}

Result<EngineOptions> engine_options(const ModelFlags& flags) {
  EngineOptions options;
  if (flags.n_threads < 0 || flags.n_threads > 512) {
    return Status::usage("--threads is " + std::to_string(flags.n_threads) + ", allowed: 0 to 512");
  }
  options.n_threads = flags.n_threads > 0
                          ? flags.n_threads
                          : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  RESTKV_ASSIGN_OR_RETURN(options.kernels,
                          choose<Kernels>("--kernels", flags.kernels,
                                          {{"auto", Kernels::automatic}, {"ggml", Kernels::ggml}}));
  return options;
}

void add_kv_flags(CLI::App& app, KvFlags& flags) {
  PolicyOptions& policy = flags.config.policy;
  const auto group = [](CLI::Option* option) { option->group("KV cache"); };
  std::string names;
  for (const std::string_view name : policy_names()) {
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  group(add_flag_value(app, "--kv-policy", policy.name, names));
  group(add_flag_value(app, "--kv-budget", flags.config.budget,
                       "entries per cached head, window included"));
  group(add_flag_value(app, "--kv-window", policy.window, "observation window, tokens"));
  group(add_flag_value(app, "--kv-kernel", policy.kernel, "smoothing kernel, odd"));
  group(add_flag_value(app, "--kv-alpha", policy.alpha, "rest-kv: EMA weight of the newer row"));
  group(add_flag_value(app, "--kv-beta", policy.beta, "rest-kv: scale of adaptive smoothing"));
  group(add_flag_value(app, "--kv-tau", policy.tau, "rest-kv: exponent of the distance"));
  group(add_flag_value(app, "--kv-mode", flags.mode, "rest-kv: after or before"));
  group(add_flag_value(app, "--kv-temporal", policy.temporal, "rest-kv: ema, mean, inv-ema, none"));
  group(add_flag_value(app, "--kv-spatial", policy.spatial,
                       "smoothing: adaptive, avgpool, maxpool, none"));
  group(add_flag_value(app, "--kv-indicator", policy.indicator,
                       "rest-kv: reconstruction, attn, attn-v"));
  group(app.add_flag("--kv-no-projection", flags.no_projection,
                     "rest-kv: leave the output projection out"));
  group(app.add_flag("--kv-norm", policy.use_norm, "rest-kv, mode before: divide by |output|"));
  group(add_flag_value(app, "--kv-granularity", flags.granularity, "kv-head or query-head"));
  group(add_flag_value(app, "--kv-group", flags.vote,
                       "how a group of query heads votes: mean, max, sum, norm-mean"));
  group(app.add_option("--kv-sink", policy.n_sink,
                       "first entries that always stay (streaming-llm: 4)"));
  group(add_flag_value(app, "--kv-layer-budget", flags.layer_budget, "uniform"));
  group(add_flag_value(app, "--kv-head-budget", flags.head_budget, "uniform"));
  group(add_flag_value(app, "--kv-type", flags.type, "f16"));
  group(add_flag_value(app, "--kv-schedule", flags.schedule, "prompt"));
  group(add_flag_value(app, "--kv-positions", flags.positions, "original"));
}

bool any_kv_flag_but_full(const CLI::App& app, const KvFlags& flags) {
  if (flags.config.policy.name == "full") return false;
  return std::ranges::any_of(app.get_options(), [](const CLI::Option* option) {
    return option->get_group() == "KV cache" && option->count() > 0;
  });
}

Result<CacheConfig> cache_config(const KvFlags& flags) {
  CacheConfig config = flags.config;
  RESTKV_ASSIGN_OR_RETURN(config.selection.granularity,
                          choose<Granularity>("--kv-granularity", flags.granularity,
                                              {{"kv-head", Granularity::kv_head},
                                               {"query-head", Granularity::query_head}}));
  RESTKV_ASSIGN_OR_RETURN(config.selection.vote,
                          choose<GroupVote>("--kv-group", flags.vote,
                                            {{"mean", GroupVote::mean},
                                             {"max", GroupVote::max},
                                             {"sum", GroupVote::sum},
                                             {"norm-mean", GroupVote::norm_mean}}));
  RESTKV_ASSIGN_OR_RETURN(
      config.policy.mode_before,
      choose<bool>("--kv-mode", flags.mode, {{"after", false}, {"before", true}}));
  RESTKV_RETURN_IF_ERROR(require_only("--kv-layer-budget", flags.layer_budget, "uniform"));
  RESTKV_RETURN_IF_ERROR(require_only("--kv-head-budget", flags.head_budget, "uniform"));
  RESTKV_RETURN_IF_ERROR(require_only("--kv-type", flags.type, "f16"));
  RESTKV_RETURN_IF_ERROR(require_only("--kv-schedule", flags.schedule, "prompt"));
  RESTKV_RETURN_IF_ERROR(require_only("--kv-positions", flags.positions, "original"));
  config.policy.use_projection = !flags.no_projection;
  if (config.policy.n_sink < -1) {
    return Status::usage("--kv-sink is " + std::to_string(config.policy.n_sink) +
                         ", it must be at least 0 (-1: the policy's own)");
  }
  if (config.policy.name != "streaming-llm" && config.policy.n_sink > 0) {
    config.selection.n_sink = config.policy.n_sink;
  }
  RESTKV_RETURN_IF_ERROR(CachePlan::make(config).status());
  return config;
}

}  // namespace restkv::cli
