#include <cstdio>
#include <memory>

#include "bench/memory/memory.h"
#include "bench/memory/watch.h"
#include "cli/bench.h"
#include "cli/bench_report.h"
#include "cli/runtime.h"

namespace restkv::cli {
namespace {

struct MemoryFlags {
  BenchFlags bench;
  std::vector<int64_t> prompt_tokens{16384};
  // Of a process that is being watched; the parent adds them to its own arguments.
  std::string reader;
  int64_t reader_tokens = 0;
};

constexpr Column kColumns[] = {
    {"policy", "/policy"},
    {"prompt", "/prompt_tokens"},
    {"restkv, MiB", "/anonymous_peak_bytes/restkv", 1, kPerMiB},
    {"libllama, MiB", "/anonymous_peak_bytes/libllama", 1, kPerMiB},
    {"ratio", "/ratio", 2},
    {"restkv, 64 tokens", "/short_prompt_bytes/restkv", 1, kPerMiB},
    {"libllama, 64 tokens", "/short_prompt_bytes/libllama", 1, kPerMiB},
    {"K/V peak, MiB", "/kv/peak_bytes", 1, kPerMiB},
    {"to one layer and kept", "/kv/ratio", 3},
    {"full K/V, MiB", "/kv/full_bytes", 1, kPerMiB},
    {"KL", "/agreement/kl", 5},
    {"counts", "/counts"},
};

Json to_row(const bench::MemoryRow& r) {
  return {
      {"policy", r.policy},
      {"prompt_tokens", r.prompt_tokens},
      {"anonymous_peak_bytes", {{"restkv", to_json(r.restkv)}, {"libllama", to_json(r.libllama)}}},
      {"ratio", to_json(r.ratio)},
      {"short_prompt_bytes", {{"restkv", r.restkv_short}, {"libllama", r.libllama_short}}},
      {"kv",
       {{"peak_bytes", r.report.kv_peak_bytes},
        {"bytes", r.report.kv_bytes},
        {"layer_bytes", r.report.kv_layer_bytes},
        {"full_bytes", r.report.kv_full_bytes},
        {"ratio", r.kv_ratio()}}},
      {"entries", r.report.entries},
      {"planned", r.report.planned},
      {"agreement", to_json(r.agreement)},
      {"counts", r.counts}};
}

// In the watched process.
Status run_reader(const MemoryFlags& f) {
  RESTKV_ASSIGN_OR_RETURN(const bench::Reader reader,
                          choose<bench::Reader>("--reader", f.reader,
                                                {{"restkv", bench::Reader::restkv},
                                                 {"libllama", bench::Reader::libllama}}));
  RESTKV_ASSIGN_OR_RETURN(const EngineOptions engine, engine_options(f.bench.model));
  bench::ReaderTask task{.reader = reader,
                         .model = model_path(f.bench.model),
                         .n_threads = engine.n_threads,
                         .kernels = engine.kernels,
                         .prompt_tokens = f.reader_tokens};
  RESTKV_ASSIGN_OR_RETURN(task.config, cache_config(f.bench.kv));
  {
    // Its metadata is gone before anything is measured.
    RESTKV_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::open(task.model));
    RESTKV_RETURN_IF_ERROR(fit_budget(f.bench.kv, file.hparams, &task.config));
  }
  RESTKV_ASSIGN_OR_RETURN(task.text, bench_text(f.bench));
  RESTKV_ASSIGN_OR_RETURN(const bench::ReaderReport result, bench::run_reader(task));
  const std::string packed = bench::pack(result);
  std::fwrite(packed.data(), 1, packed.size(), stdout);
  return flush_output();
}

Status run(const MemoryFlags& f) {
  if (!f.reader.empty()) return run_reader(f);
  RESTKV_RETURN_IF_ERROR(check_counts("--prompt-tokens", f.prompt_tokens, 1));
  RESTKV_RETURN_IF_ERROR(check_repeat(f.bench));
  if (f.bench.file == "-") {
    return Status::usage(
        "--file is \"-\", several processes read the text, and standard input can be read once");
  }
  RESTKV_ASSIGN_OR_RETURN(const auto configs, configs_of(f.bench));
  RESTKV_ASSIGN_OR_RETURN(const EngineOptions engine, engine_options(f.bench.model));
  RESTKV_ASSIGN_OR_RETURN(const std::vector<std::string> own, bench::own_arguments());
  ProgressLine progress;
  bench::MemoryScenario scenario{.prompt_tokens = f.prompt_tokens, .n_repeat = f.bench.n_repeat};
  for (const CacheConfig& config : configs)
    scenario.policies.push_back(config.policy.name);
  scenario.on_step = [&](const std::string& what) { progress.show(what); };
  scenario.arguments = [&](bench::Reader reader, const std::string& policy, int64_t n) {
    std::vector<std::string> arguments = own;
    for (const std::string& more :
         {std::string("--reader"),
          std::string(reader == bench::Reader::restkv ? "restkv" : "libllama"),
          std::string("--reader-tokens"), std::to_string(n), std::string("--kv-policy"), policy})
      arguments.push_back(more);
    return arguments;
  };
  Json document = begin_document("memory", f.bench);
  const std::string path = model_path(f.bench.model);
  document["model"] = path.substr(path.rfind('/') + 1);
  document["threads"] = engine.n_threads;
  document["budget"] = configs[0].budget;
  RESTKV_ASSIGN_OR_RETURN(const auto rows, bench::run_memory(scenario));
  for (const bench::MemoryRow& row : rows)
    document["rows"].push_back(to_row(row));
  progress.clear();
  return print_report(document, kColumns, f.bench.json);
}

}  // namespace

void register_bench_memory(CLI::App& bench, int* exit_code) {
  CLI::App* command =
      bench.add_subcommand("memory", "anonymous memory at its peak, beside libllama");
  auto flags = std::make_shared<MemoryFlags>();
  flags->bench.n_repeat = 1;
  add_bench_flags(*command, flags->bench);
  add_counts(*command, "--prompt-tokens", flags->prompt_tokens, "lengths, apart by commas");
  finish_options(*command);
  command->add_option("--reader", flags->reader)->group("");
  command->add_option("--reader-tokens", flags->reader_tokens)->group("");
  command->callback([=] {
    const Status status = run(*flags);
    *exit_code = status.ok() ? 0 : report(status);
  });
}

}  // namespace restkv::cli
