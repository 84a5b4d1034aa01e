#include "cli/bench_patterns.h"

#include <cstdio>
#include <memory>

#include "bench/patterns/patterns.h"
#include "cli/flags.h"
#include "cli/prefill_flags.h"
#include "cli/runtime.h"
#include "sparse/pattern.h"

namespace restkv::cli {
namespace {

struct PatternsFlags {
  ModelFlags model;
  std::string file = "-";
  int64_t n_token = 8192;
  int32_t n_layer = 0;
  bench::PatternTrial::Options trial;
  std::vector<std::string> methods{"flex", "minference", "a-shape"};
  PrefillAttention attention;
  bool json = false;
};

Status check(const PatternsFlags& f) {
  const auto range = [](const char* flag, int64_t value, int64_t low, int64_t high) -> Status {
    if (value >= low && value <= high) return {};
    return Status::usage(std::string(flag) + " is " + std::to_string(value) +
                         ", allowed: " + std::to_string(low) + " to " + std::to_string(high));
  };
  RESTKV_RETURN_IF_ERROR(range("--prompt-tokens", f.n_token, 256, int64_t{1} << 20));
  RESTKV_RETURN_IF_ERROR(range("--layers", f.n_layer, 0, 1000));
  RESTKV_RETURN_IF_ERROR(range("--sample", f.trial.sample, 1, 1 << 20));
  if (f.trial.chunk % sparse::kBlock != 0) {
    return Status::usage("--chunk is " + std::to_string(f.trial.chunk) +
                         ", it must be a multiple of " + std::to_string(sparse::kBlock));
  }
  return range("--chunk", f.trial.chunk, sparse::kBlock, 1 << 20);
}

void print(const PatternsFlags& f, const std::vector<bench::PatternQuality>& rows) {
  if (!f.json) {
    std::printf(
        "| method | prompt | share | mass | least | error | query-aware | choose, ms a head | "
        "select, ms a head |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for (const bench::PatternQuality& r : rows) {
      const auto n = static_cast<double>(r.n_head);
      std::printf("| %s | %lld | %.3f | %.4f | %.3f | %.4f | %.2f | %.2f | %.2f |\n",
                  std::string(sparse::pattern_name(r.method.kind)).c_str(),
                  static_cast<long long>(f.n_token), r.blocks.share(), r.mass, r.least_mass,
                  r.error, r.n_query_aware / n, r.choose_ms / n, r.select_ms / n);
    }
    return;
  }
  nlohmann::ordered_json document{{"prompt_tokens", f.n_token}, {"rows", nlohmann::json::array()}};
  for (const bench::PatternQuality& r : rows) {
    nlohmann::ordered_json row = describe(r.method, r.blocks);
    row.update({{"heads", r.n_head},
                {"query_aware", r.n_query_aware},
                {"mass", r.mass},
                {"least_mass", r.least_mass},
                {"error", r.error},
                {"choose_ms", r.choose_ms},
                {"select_ms", r.select_ms}});
    document["rows"].push_back(std::move(row));
  }
  print_json(document);
}

Status run(const PatternsFlags& f) {
  RESTKV_RETURN_IF_ERROR(check(f));
  bench::PatternScenario scenario{.trial = f.trial, .n_layer = f.n_layer};
  for (const std::string& name : f.methods) {
    RESTKV_ASSIGN_OR_RETURN(scenario.methods.emplace_back(), with_kind(f.attention, name));
    if (name == "dense") return Status::usage("--methods has dense, which leaves nothing out");
  }
  RESTKV_ASSIGN_OR_RETURN(const EngineOptions engine, engine_options(f.model));
  RESTKV_ASSIGN_OR_RETURN(const std::string text, read_text(f.file));
  RESTKV_ASSIGN_OR_RETURN(const auto model, Model::load(model_path(f.model)));
  RESTKV_ASSIGN_OR_RETURN(scenario.prompt, model->tokenizer().tokenize(text, true, false));
  if (static_cast<int64_t>(scenario.prompt.size()) < f.n_token) {
    return Status::usage("--prompt-tokens is " + std::to_string(f.n_token) + ", the text has " +
                         std::to_string(scenario.prompt.size()));
  }
  scenario.prompt.resize(f.n_token);
  RESTKV_ASSIGN_OR_RETURN(const auto compute, Compute::create(engine.n_threads, nullptr));
  RESTKV_ASSIGN_OR_RETURN(const auto rows, bench::run_patterns(*model, *compute, scenario));
  print(f, rows);
  return flush_output();
}

}  // namespace

void register_bench_patterns(CLI::App& bench, int* exit_code) {
  CLI::App* command = bench.add_subcommand(
      "patterns", "what sparse attention of the prompt leaves out, method by method");
  auto flags = std::make_shared<PatternsFlags>();
  add_model_flags_but_kernels(*command, flags->model);
  add_flag_value(*command, "-f,--file", flags->file, "text of the prompt, - for standard input");
  add_flag_value(*command, "--prompt-tokens", flags->n_token, "length of the prompt");
  add_flag_value(*command, "--layers", flags->n_layer, "layers to look at, 0: all");
  add_flag_value(*command, "--chunk", flags->trial.chunk,
                 "queries that are selected for at a time");
  add_flag_value(*command, "--sample", flags->trial.sample, "one query of so many is measured");
  command->add_option("--methods", flags->methods, "names, apart by commas")
      ->delimiter(',')
      ->capture_default_str();
  add_prefill_numbers(*command, flags->attention);
  command->add_flag("--json", flags->json, "JSON instead of a table");
  finish_options(*command);
  command->callback([=] {
    const Status status = run(*flags);
    *exit_code = status.ok() ? 0 : report(status);
  });
}

}  // namespace restkv::cli
