#include "cli/generate.h"

#include <unistd.h>

#include <chrono>
#include <iostream>
#include <memory>

#include "cli/answer_flags.h"
#include "cli/flags.h"
#include "cli/kv_flags.h"
#include "cli/prefill_flags.h"
#include "cli/runtime.h"
#include "engine/generate.h"

namespace restkv::cli {
namespace {

struct GenerateFlags {
  ModelFlags model;
  KvFlags kv;
  PrefillFlags prefill;
  AnswerFlags answer;
  std::string prompt, file, system, dump;
  bool has_prompt = false;
  bool json = false, raw = false;
};

void add_flags(CLI::App& app, GenerateFlags& f) {
  add_model_flags(app, f.model);
  app.add_option("-p,--prompt", f.prompt, "prompt, or the question about the text of -f");
  app.add_option("-f,--file", f.file, "text file, - for standard input (the document, beside -p)");
  app.add_option("--system", f.system, "system message of the chat template");
  add_answer_flags(app, f.answer);
  app.add_flag("--raw", f.raw, "the prompt as it is, without the chat template");
  app.add_flag("--json", f.json, "one JSON document on stdout instead of text");
  app.add_option("--kv-dump", f.dump, "JSON file for the positions that every head keeps");
  add_kv_flags(app, f.kv);
  add_prefill_flags(app, f.prefill);
  finish_options(app);
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

nlohmann::ordered_json to_json(const GenerateFlags& f, const Model& model,
                               const GenerateRequest& request, const GenerateResult& r,
                               double load_ms) {
  nlohmann::ordered_json kv = describe(f.kv, request.cache);
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
      {"prefill_attention", describe(request.attention, r.attention_blocks)},
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
        {"decode",
         r.answer.decode_steps > 0 ? 1000.0 * r.answer.decode_steps / r.answer.decode_ms : 0.0}}},
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
  RESTKV_RETURN_IF_ERROR(check_request(*request));
  warn_beyond_training("prompt", request->prompt.size(), model.hparams());
  return {};
}

Result<int> run(GenerateFlags& f) {
  GenerateRequest request;
  RESTKV_RETURN_IF_ERROR(read_answer_flags(f.answer, &request.answer, &request.sampling));
  RESTKV_ASSIGN_OR_RETURN(const EngineOptions engine, engine_options(f.model));
  RESTKV_ASSIGN_OR_RETURN(request.cache, cache_config(f.kv));
  RESTKV_ASSIGN_OR_RETURN(request.attention, prefill_attention(f.prefill, engine.kernels));
  if (!f.dump.empty()) RESTKV_RETURN_IF_ERROR(check_writable(f.dump));
  RESTKV_ASSIGN_OR_RETURN(const std::string text, prompt_text(f));

  ProgressLine progress;
  const auto start = std::chrono::steady_clock::now();
  const auto path = model_path(f.model);
  RESTKV_ASSIGN_OR_RETURN(
      const std::shared_ptr<const Model> model,
      Model::load(
          path, [&](const char* stage) { progress.show("loading: " + std::string(stage)); },
          engine.kernels));
  const double load_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  progress.clear();
  RESTKV_RETURN_IF_ERROR(prepare(f, *model, text, &request));

  const std::atomic<bool>* cancel = begin_interruptible();
  RESTKV_ASSIGN_OR_RETURN(const auto compute,
                          Compute::create(engine.n_threads, cancel, engine.kernels));
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
    print_json(to_json(f, *model, request, *result, load_ms));
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
