#include "cli/eval_perplexity.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "cli/flags.h"
#include "cli/kv_flags.h"
#include "cli/prefill_flags.h"
#include "cli/runtime.h"
#include "engine/perplexity.h"

namespace restkv::cli {
namespace {

struct PerplexityFlags {
  ModelFlags model;
  KvFlags kv;
  PrefillFlags prefill;
  std::string file = "-";
  int64_t n_prefix = 0, n_score = 0;
  bool token_nll = false, json = false;
  bool kv_flags_given = false;
};

void print(const PerplexityFlags& f, const PerplexityRequest& request,
           const PerplexityResult& result) {
  const double perplexity = std::exp(result.mean_nll);
  if (!f.json) {
    std::printf("tokens      %zu, scored %zu\n", request.tokens.size(), result.token_nll.size());
    std::printf("nll         %.6f nats a token\nperplexity  %.4f\n", result.mean_nll, perplexity);
    if (f.n_prefix > 0) {
      std::printf("cache       %zu bytes after the prefix\n", result.kv_bytes);
    }
    return;
  }
  nlohmann::ordered_json document{{"tokens", request.tokens.size()},
                                  {"scored", result.token_nll.size()},
                                  {"nll", result.mean_nll},
                                  {"perplexity", perplexity}};
  if (f.n_prefix > 0) {
    document["prefix"] = f.n_prefix;
    document["kv"] = describe(f.kv, request.cache);
    document["kv"]["bytes"] = result.kv_bytes;
  }
  document["prefill_attention"] = describe(request.attention, result.attention_blocks);
  if (f.token_nll) document["token_nll"] = result.token_nll;
  print_json(document);
}

// --score: what comes behind the tokens that are asked for plays no part.
Status shorten(const PerplexityFlags& f, std::vector<int32_t>* tokens) {
  if (f.n_score == 0) return {};
  const auto n = static_cast<int64_t>(tokens->size());
  const int64_t wanted = std::max<int64_t>(f.n_prefix, 1) + f.n_score;
  if (f.n_score < 0 || f.n_prefix < 0 || wanted > n) {
    return Status::usage("--score is " + std::to_string(f.n_score) + ", the text has " +
                         std::to_string(n) + " tokens, " + std::to_string(f.n_prefix) +
                         " of them the prefix");
  }
  tokens->resize(wanted);
  return {};
}

Result<int> run(const PerplexityFlags& f) {
  PerplexityRequest request;
  RESTKV_ASSIGN_OR_RETURN(const EngineOptions engine, engine_options(f.model));
  RESTKV_ASSIGN_OR_RETURN(request.cache, cache_config(f.kv));
  RESTKV_ASSIGN_OR_RETURN(request.attention, prefill_attention(f.prefill, engine.kernels));
  if (pins_system(f.kv)) {
    return Status::usage("--kv-pin is \"system\", a plain text has no system part");
  }
  request.n_prefix = f.n_prefix;
  RESTKV_ASSIGN_OR_RETURN(const std::string text, read_text(f.file));
  if (text.empty()) return Status::usage("the text is empty, perplexity needs at least 2 tokens");
  ProgressLine progress;
  RESTKV_ASSIGN_OR_RETURN(
      const std::shared_ptr<const Model> model,
      Model::load(
          model_path(f.model),
          [&](const char* stage) { progress.show("loading: " + std::string(stage)); },
          engine.kernels));
  progress.clear();
  RESTKV_RETURN_IF_ERROR(fit_budget(f.kv, model->hparams(), &request.cache));
  RESTKV_ASSIGN_OR_RETURN(request.tokens, model->tokenizer().tokenize(text, true, false));
  RESTKV_RETURN_IF_ERROR(shorten(f, &request.tokens));
  if (f.n_prefix == 0 && f.kv_flags_given) {
    warn("without --prefix nothing is evicted, the --kv flags have no effect");
  }
  warn_beyond_training("text", request.tokens.size(), model->hparams());
  const std::atomic<bool>* cancel = begin_interruptible();
  RESTKV_ASSIGN_OR_RETURN(const auto compute,
                          Compute::create(engine.n_threads, cancel, engine.kernels));
  request.on_progress = [&](const PrefillProgress& p) { progress.prefill(p); };
  const auto result = perplexity(*model, *compute, request);
  progress.clear();
  if (compute->cancelled()) {
    warn("interrupted");
    return 130;
  }
  if (!result.ok()) return result.status();
  print(f, request, *result);
  RESTKV_RETURN_IF_ERROR(flush_output());
  return 0;
}

}  // namespace

void register_eval_perplexity(CLI::App& eval, int* exit_code) {
  CLI::App* command = eval.add_subcommand(
      "perplexity", "likelihood of a text, in one pass or after an evicted prefix");
  auto flags = std::make_shared<PerplexityFlags>();
  add_model_flags(*command, flags->model);
  add_flag_value(*command, "-f,--file", flags->file, "text file, - for standard input");
  add_flag_value(*command, "--prefix", flags->n_prefix,
                 "tokens that are the prompt: the cache is evicted after them, the rest scored");
  add_flag_value(*command, "--score", flags->n_score, "tokens to score at most, 0: all");
  command->add_flag("--token-nll", flags->token_nll, "with --json: the value of every token");
  command->add_flag("--json", flags->json, "JSON instead of text");
  add_kv_flags(*command, flags->kv);
  add_prefill_flags(*command, flags->prefill);
  finish_options(*command);
  command->callback([=] {
    flags->kv_flags_given = any_kv_flag_but_full(*command, flags->kv);
    const Result<int> code = run(*flags);
    *exit_code = code.ok() ? *code : report(code.status());
  });
}

}  // namespace restkv::cli
