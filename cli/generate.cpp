#include "cli/generate.h"

#include <unistd.h>

#include <chrono>
#include <iostream>
#include <memory>

#include "cli/flags.h"
#include "cli/kv_flags.h"
#include "cli/runtime.h"
#include "engine/generate.h"
#include "model/gguf_check.h"

namespace restkv::cli {
namespace {

struct GenerateFlags {
  ModelFlags model;
  KvFlags kv;
  SamplingOptions sampling;
  int64_t seed = -1;
  int64_t n_predict = 512;
  int64_t n_ctx = 0;
  std::string prompt, file, system, grammar_file, dump;
  bool has_prompt = false;
  std::vector<std::string> stop;
  bool ignore_eos = false, json = false, raw = false;
};

void add_flags(CLI::App& app, GenerateFlags& f) {
  add_model_flags(app, f.model);
  app.add_option("-p,--prompt", f.prompt, "prompt, or the question about the text of -f");
  app.add_option("-f,--file", f.file, "text file, - for standard input (the document, beside -p)");
  app.add_option("--system", f.system, "system message of the chat template");
  add_flag_value(app, "-n,--n-predict", f.n_predict, "tokens to generate at most, -1: no limit");
  add_flag_value(app, "-c,--ctx-size", f.n_ctx,
                 "tokens of prompt and answer together, 0: no limit");
  add_flag_value(app, "--temp", f.sampling.temperature, "temperature, 0: the likeliest token");
  add_flag_value(app, "--top-k", f.sampling.top_k, "top-k, 0: off");
  add_flag_value(app, "--top-p", f.sampling.top_p, "top-p, 1: off");
  add_flag_value(app, "--min-p", f.sampling.min_p, "min-p, 0: off");
  add_flag_value(app, "--repeat-penalty", f.sampling.repeat_penalty, "1: off");
  add_flag_value(app, "--repeat-last-n", f.sampling.repeat_last_n, "tokens it looks back");
  add_flag_value(app, "-s,--seed", f.seed, "random seed, -1: a new one each time");
  app.add_option("--stop", f.stop, "string that ends the answer, may be repeated")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--grammar-file", f.grammar_file, "GBNF grammar that the answer follows");
  app.add_flag("--ignore-eos", f.ignore_eos, "go on after the model's end token");
  app.add_flag("--raw", f.raw, "the prompt as it is, without the chat template");
  app.add_flag("--json", f.json, "one JSON document on stdout instead of text");
  app.add_option("--kv-dump", f.dump, "JSON file for the positions that every head keeps");
  add_kv_flags(app, f.kv);
  finish_options(app);
}

Status check_ranges(const GenerateFlags& f) {
  const auto range = [](const char* flag, double value, double low, double high) -> Status {
    if (value >= low && value <= high) return {};
    char text[160];
    std::snprintf(text, sizeof text, "%s is %g, allowed: %g to %g", flag, value, low, high);
    return Status::usage(text);
  };
  RESTKV_RETURN_IF_ERROR(range("--n-predict", f.n_predict, -1, 1e9));
  RESTKV_RETURN_IF_ERROR(range("--ctx-size", f.n_ctx, 0, 1e9));
  RESTKV_RETURN_IF_ERROR(range("--temp", f.sampling.temperature, 0, 100));
  RESTKV_RETURN_IF_ERROR(range("--top-k", f.sampling.top_k, 0, 1e9));
  RESTKV_RETURN_IF_ERROR(range("--top-p", f.sampling.top_p, 0, 1));
  RESTKV_RETURN_IF_ERROR(range("--min-p", f.sampling.min_p, 0, 1));
  RESTKV_RETURN_IF_ERROR(range("--repeat-penalty", f.sampling.repeat_penalty, 0.01, 100));
  RESTKV_RETURN_IF_ERROR(range("--repeat-last-n", f.sampling.repeat_last_n, 0, 1e6));
  RESTKV_RETURN_IF_ERROR(range("--seed", f.seed, -1, 4294967295.0));
  for (const std::string& s : f.stop) {
    if (s.empty()) return Status::usage("--stop is empty, it must have at least one character");
  }
  return {};
}

// The document of -f (or standard input), then the question of -p.
Result<std::string> prompt_text(const GenerateFlags& f) {
  if (!is_valid_utf8(f.prompt)) return Status::usage("--prompt is not valid UTF-8");
  if (!is_valid_utf8(f.system)) return Status::usage("--system is not valid UTF-8");
  if (f.has_prompt && f.file.empty()) return f.prompt;
  if (f.file.empty() && isatty(STDIN_FILENO)) {
    std::cerr << "restkv: reading the prompt from the terminal, Ctrl-D ends it" << std::endl;
  }
  RESTKV_ASSIGN_OR_RETURN(std::string text, read_text(f.file.empty() ? "-" : f.file));
  if (!f.has_prompt) return text;
  if (text.empty()) return Status::usage(f.file + " is empty, there is nothing to ask about");
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text + "\n\n" + f.prompt;
}

// *n_system: tokens of the chat template's system part, 0 without a template.
Result<std::vector<int32_t>> prompt_tokens(const Model& model, const GenerateFlags& f,
                                           const std::string& text, int64_t* n_system) {
  *n_system = 0;
  if (text.empty())
    return Status::usage("the prompt is empty, it must have at least one character");
  if (f.raw) return model.tokenizer().tokenize(text, true, true);
  if (!model.tokenizer().has_chat_template()) {
    warn("the model has no chat template, the prompt is taken as it is (--raw says so)");
    return model.tokenizer().tokenize(text, true, true);
  }
  std::vector<ChatMessage> messages;
  if (!f.system.empty()) messages.push_back({"system", f.system});
  messages.push_back({"user", text});
  RESTKV_ASSIGN_OR_RETURN(std::vector<int32_t> ids, model.tokenizer().tokenize_chat(messages));
  RESTKV_ASSIGN_OR_RETURN(*n_system, model.tokenizer().count_system_tokens(messages, ids));
  return ids;
}

Status pin_system(int64_t n_system, CacheConfig* config) {
  if (n_system == 0) {
    return Status::usage("--kv-pin is \"system\", the prompt has no system part: it goes with a "
                         "chat template only");
  }
  config->protection.pins.push_back({0, n_system});
  return CachePlan::make(*config).status();
}

nlohmann::ordered_json to_json(const GenerateFlags& f, const Model& model,
                               const CacheConfig& cache, const GenerateResult& r,
                               double load_ms) {
  nlohmann::ordered_json kv = describe(f.kv, cache);
  kv.update({{"entries", r.kv_entries},
             {"over_budget", r.kv_over_budget},
             {"bytes", r.kv_bytes},
             {"peak_bytes", r.kv_peak_bytes},
             {"full_bytes", r.kv_full_bytes},
             {"entries_per_layer", r.entries_per_layer}});
  return {
      {"text", r.answer.text},
      {"prompt_tokens", r.prompt_tokens},
      {"completion_tokens", r.answer.tokens.size()},
      {"finish_reason", r.answer.finish_reason},
      {"tokens", r.answer.tokens},
      {"kv", kv},
      {"timings_ms",
       {{"load", load_ms},
        {"prefill", r.prefill_ms},
        {"eviction", r.eviction_ms},
        {"first_token", r.answer.first_token_ms},
        {"decode", r.answer.decode_ms},
        {"decode_eviction", r.decode_eviction_ms},
        {"decode_by_1000", r.answer.decode_ms_by_1000}}},
      {"tokens_per_second",
       {{"prefill", r.prefill_ms > 0 ? 1000.0 * r.prompt_tokens / r.prefill_ms : 0.0},
        {"decode", r.answer.decode_steps > 0 ? 1000.0 * r.answer.decode_steps / r.answer.decode_ms : 0.0}}},
      {"memory", {{"peak_rss_bytes", peak_rss_bytes()}}},
      {"model", {{"family", model.family().arch}, {"path", model.path()}}},
  };
}

// [layer][cached head][entry], original positions.
Status dump_positions(const KvCache& cache, const std::string& path) {
  nlohmann::json layers = nlohmann::json::array();
  for (const LayerCache& layer : cache.layers) {
    nlohmann::json heads = nlohmann::json::array();
    for (int32_t h = 0; h < layer.n_head(); ++h)
      heads.push_back(layer.positions(h));
    layers.push_back(std::move(heads));
  }
  const nlohmann::json document{{"n_token", cache.next_position}, {"layers", std::move(layers)}};
  return write_file(path, document.dump() + "\n");
}

Status prepare(const GenerateFlags& f, const Model& model, const std::string& text,
               GenerateRequest* request) {
  int64_t n_system = 0;
  RESTKV_ASSIGN_OR_RETURN(request->prompt, prompt_tokens(model, f, text, &n_system));
  RESTKV_RETURN_IF_ERROR(fit_budget(f.kv, model.hparams(), &request->cache));
  if (pins_system(f.kv)) RESTKV_RETURN_IF_ERROR(pin_system(n_system, &request->cache));
  request->answer.n_predict = f.n_predict;
  request->answer.n_ctx = f.n_ctx;
  request->answer.stop = f.stop;
  request->answer.ignore_eos = f.ignore_eos;
  RESTKV_RETURN_IF_ERROR(check_request(*request));
  warn_beyond_training("prompt", request->prompt.size(), model.hparams());
  return {};
}

Result<int> run(GenerateFlags& f) {
  RESTKV_RETURN_IF_ERROR(check_ranges(f));
  GenerateRequest request;
  RESTKV_ASSIGN_OR_RETURN(const EngineOptions engine, engine_options(f.model));
  RESTKV_ASSIGN_OR_RETURN(request.cache, cache_config(f.kv));
  request.sampling = f.sampling;
  if (f.seed >= 0) request.sampling.seed = static_cast<uint32_t>(f.seed);
  if (!f.grammar_file.empty()) {
    RESTKV_ASSIGN_OR_RETURN(request.sampling.grammar, read_text(f.grammar_file));
    const std::string& grammar = request.sampling.grammar;
    if (grammar.empty() || grammar.find('\0') != std::string::npos) {
      return Status::model(f.grammar_file + " is no grammar: it is empty or holds a zero byte");
    }
  }
  RESTKV_ASSIGN_OR_RETURN(const std::string text, prompt_text(f));

  ProgressLine progress;
  const auto start = std::chrono::steady_clock::now();
  const auto path = model_path(f.model);
  RESTKV_ASSIGN_OR_RETURN(const std::shared_ptr<const Model> model,
                          Model::load(path, [&](const char* stage) {
                            progress.show("loading: " + std::string(stage));
                          }));
  const double load_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  progress.clear();
  RESTKV_RETURN_IF_ERROR(prepare(f, *model, text, &request));

  const std::atomic<bool>* cancel = begin_interruptible();
  RESTKV_ASSIGN_OR_RETURN(const auto compute, Compute::create(engine.n_threads, cancel));
  request.on_progress = [&](const PrefillProgress& p) { progress.prefill(p); };
  if (!f.json) {
    request.answer.on_text = [&](std::string_view piece) {
      progress.clear();
      std::cout << piece << std::flush;
    };
  }
  if (!f.dump.empty()) {
    request.on_cache = [&](const KvCache& cache) { return dump_positions(cache, f.dump); };
  }
  auto result = generate(*model, *compute, request);
  progress.clear();
  if (!result.ok()) {
    if (!compute->cancelled()) return result.status();
    warn("interrupted while reading the prompt");
    return 130;
  }
  if (f.json) {
    print_json(to_json(f, *model, request.cache, *result, load_ms));
  } else {
    std::cout << std::endl;
  }
  RESTKV_RETURN_IF_ERROR(flush_output());
  return result->answer.finish_reason == "interrupted" ? 130 : 0;
}

}  // namespace

void register_generate(CLI::App& app, int* exit_code) {
  CLI::App* command = app.add_subcommand("generate", "answer a prompt inside a fixed KV budget");
  auto flags = std::make_shared<GenerateFlags>();
  add_flags(*command, *flags);
  command->callback([=] {
    flags->has_prompt = command->count("--prompt") > 0;
    const Result<int> code = run(*flags);
    *exit_code = code.ok() ? *code : report(code.status());
  });
}

}  // namespace restkv::cli
