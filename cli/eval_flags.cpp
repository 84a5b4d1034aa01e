#include "cli/eval_flags.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "eval/fingerprint.h"

namespace restkv::cli {
namespace {

constexpr int kMaxJobs = 256;
constexpr int kMaxTogether = 256;
constexpr int64_t kMaxSamples = 1000000;

void add_kv_lists(CLI::App& app, EvalFlags& flags) {
  constexpr const char* kGroup = "KV cache";
  add_list(
      app, "--kv-policy", flags.lists.policies,
      "what is compared: " + names_of_policies() +
          "; settings of one alone may follow, as rest-kv:temporal=mean, then splits: +pyramid, "
          "+ada")
      ->group(kGroup);
  add_list(app, "--kv-budget", flags.lists.budgets,
           "entries per cached head, window included; every policy at each")
      ->group(kGroup);
  add_list(app, "--kv-kernel", flags.lists.kernels,
           "smoothing kernels, odd; every policy that pools with each")
      ->group(kGroup);
  add_kv_flags_but_lists(app, flags.kv);
}

}  // namespace

void add_eval_flags(CLI::App& app, EvalFlags& flags) {
  add_model_flags(app, flags.model);
  add_flag_value(app, "--out", flags.out,
                 "result lines; a file that is there already is continued");
  app.add_option("-n,--samples", flags.n, "samples of each task and length");
  add_flag_value(app, "--seed", flags.seed, "of what is generated");
  add_flag_value(app, "--prompt-style", flags.style,
                 "raw, as the paper's runs, or chat: in the model's chat form");
  app.add_option("--prompts", flags.prompts,
                 "the benchmark's own prompts (JSON) instead of those worded for restkv");
  app.add_option("--max-length", flags.max_length,
                 "tokens of a prompt, which then loses its middle (default: the trained context "
                 "less the answer)");
  add_flag_value(
      app, "--jobs", flags.n_jobs,
      "processes that share the weights; --threads is for each, 0: the cores among them");
  app.add_option("--together", flags.n_together,
                 "samples of a task whose answers are decoded as one batch (default: as many as "
                 "make a large one, by the number of variants, samples and tokens)");
  add_flag_value(app, "--shard", flags.shard, "I/N: every N-th sample from the I-th (0 to N - 1)");
  app.add_flag("--skip-bad", flags.skip_bad, "leave malformed data lines out and count them");
  app.add_flag("--json", flags.json, "the summary as JSON");
  add_kv_lists(app, flags);
  add_prefill_flags(app, flags.prefill);
}

Result<Shard> parse_shard(const std::string& text) {
  Shard shard;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, shard.index);
  if (first.ec == std::errc() && first.ptr != end && *first.ptr == '/') {
    const auto second = std::from_chars(first.ptr + 1, end, shard.count);
    if (second.ec == std::errc() && second.ptr == end && shard.index >= 0 &&
        shard.index < shard.count)
      return shard;
  }
  return Status::usage("--shard is \"" + text +
                       "\", it must be I/N with I at least 0 and below N, as 0/4");
}

Result<Evaluation> read_eval_flags(const EvalFlags& flags) {
  Evaluation evaluation;
  RESTKV_ASSIGN_OR_RETURN(evaluation.engine, engine_options(flags.model));
  RESTKV_ASSIGN_OR_RETURN(evaluation.attention,
                          prefill_attention(flags.prefill, evaluation.engine.kernels));
  RESTKV_ASSIGN_OR_RETURN(const CacheConfig base, unchecked_cache_config(flags.kv));
  if (pins_system(flags.kv))
    return Status::usage("--kv-pin is \"system\", eval takes FIRST:END only");
  VariantLists lists = flags.lists;
  lists.ada = {.floor = flags.kv.ada_floor, .normalise = !flags.kv.ada_raw, .table = {}};
  RESTKV_ASSIGN_OR_RETURN(evaluation.variants, make_variants(lists, base));
  RESTKV_ASSIGN_OR_RETURN(
      evaluation.prompt.style,
      choose<PromptStyle>("--prompt-style", flags.style,
                          {{"raw", PromptStyle::raw}, {"chat", PromptStyle::chat}}));
  if (flags.max_length < 0 || flags.max_length == 1 || flags.max_length > kMostTokens) {
    return Status::usage("--max-length is " + std::to_string(flags.max_length) +
                         ", allowed: 2 to " + std::to_string(kMostTokens) +
                         " (0: the trained context less the answer)");
  }
  evaluation.prompt.max_length = flags.max_length;
  RESTKV_RETURN_IF_ERROR(check_range("--samples", flags.n.value_or(1), 1, kMaxSamples));
  RESTKV_RETURN_IF_ERROR(check_range("--jobs", flags.n_jobs, 1, kMaxJobs));
  RESTKV_RETURN_IF_ERROR(check_range("--together", flags.n_together.value_or(1), 1, kMaxTogether));
  if (flags.out.empty()) return Status::usage("--out is \"\", it must name a file");
  evaluation.n_process = flags.n_jobs;
  const int n_thread = evaluation.engine.n_threads;
  evaluation.n_thread_each =
      flags.model.n_threads > 0 ? n_thread : std::max(1, n_thread / flags.n_jobs);
  RESTKV_ASSIGN_OR_RETURN(evaluation.shard, parse_shard(flags.shard));
  evaluation.out = flags.out;
  return evaluation;
}

std::string base_name(const std::string& path) {
  const std::filesystem::path plain = std::filesystem::path(path).lexically_normal();
  return (plain.has_filename() ? plain : plain.parent_path()).filename().string();
}

std::string file_mark(const std::string& path, const std::string& content) {
  return base_name(path) + "#" + fingerprint(content);
}

}  // namespace restkv::cli
