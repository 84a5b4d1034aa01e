#include <memory>

#include "bench/numerics/numerics.h"
#include "cli/bench.h"
#include "cli/bench_report.h"
#include "cli/runtime.h"

namespace restkv::cli {
namespace {

struct NumericsFlags {
  BenchFlags bench;  // model, file and json
  int64_t n_token = 2000, n_decode = 0;
};

constexpr Column kColumns[] = {
    {"contender", "/contender"},
    {"phase", "/phase"},
    {"tokens", "/tokens"},
    {"mean KL", "/kl/mean", 7},
    {"p99 KL", "/kl/p99", 6},
    {"max KL", "/kl/max", 5},
    {"same top, %", "/same_top", 2, 100.0},
    {"NLL", "/nll", 5},
    {"NLL, F32", "/reference_nll", 5},
    {"mean KL to libllama's", "/ratio/value", 3},
    {"+-", "/ratio/error", 3},
};

Json to_row(const bench::NumericsRow& r) {
  const bench::Divergence& d = r.divergence;
  return {{"contender", r.contender},
          {"phase", r.phase},
          {"tokens", r.n_token},
          {"kl", {{"mean", d.mean_kl}, {"p99", d.p99_kl}, {"max", d.max_kl}}},
          {"same_top", d.same_top},
          {"nll", d.nll},
          {"reference_nll", r.reference_nll},
          {"ratio", {{"value", r.ratio}, {"error", r.ratio_error}}}};
}

Status run(const NumericsFlags& f) {
  RESTKV_RETURN_IF_ERROR(check_range("--prompt-tokens", f.n_token, 2, int64_t{1} << 20));
  if (f.n_decode != 0) {
    RESTKV_RETURN_IF_ERROR(check_range("--decode", f.n_decode, 2, f.n_token - 1));
  }
  RESTKV_ASSIGN_OR_RETURN(const EngineOptions engine, engine_options(f.bench.model));
  bench::NumericsTask task{.model = model_path(f.bench.model),
                           .n_threads = engine.n_threads,
                           .n_token = f.n_token,
                           .n_decode = f.n_decode};
  RESTKV_ASSIGN_OR_RETURN(task.text, bench_text(f.bench));
  ProgressLine progress;
  task.on_step = [&](const std::string& what) { progress.show(what); };
  Json document = begin_document("numerics");
  document["model"] = task.model.substr(task.model.rfind('/') + 1);
  document["threads"] = engine.n_threads;
  RESTKV_ASSIGN_OR_RETURN(const auto rows, bench::run_numerics(task));
  for (const bench::NumericsRow& row : rows)
    document["rows"].push_back(to_row(row));
  progress.clear();
  return print_report(document, kColumns, f.bench.json);
}

}  // namespace

void register_bench_numerics(CLI::App& bench, int* exit_code) {
  CLI::App* command =
      bench.add_subcommand("numerics", "distance from F32 arithmetic, beside libllama");
  auto flags = std::make_shared<NumericsFlags>();
  add_model_flags_but_kernels(*command, flags->bench.model);
  command->add_option("-f,--file", flags->bench.file,
                      "text, - for standard input (default: one of our own)");
  add_flag_value(*command, "--prompt-tokens", flags->n_token, "tokens of the text");
  add_flag_value(*command, "--decode", flags->n_decode,
                 "the last N of them are decoded one by one as well");
  command->add_flag("--json", flags->bench.json, "JSON instead of a table");
  finish_options(*command);
  command->callback([=] {
    const Status status = run(*flags);
    *exit_code = status.ok() ? 0 : report(status);
  });
}

}  // namespace restkv::cli
