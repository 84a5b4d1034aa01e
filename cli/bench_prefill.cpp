#include <memory>

#include "bench/prefill/prefill.h"
#include "cli/bench.h"
#include "cli/bench_report.h"
#include "cli/prefill_flags.h"
#include "cli/runtime.h"

namespace restkv::cli {
namespace {

struct ReadingFlags {
  BenchFlags bench;
  PrefillFlags prefill;
  std::vector<int64_t> prompt_tokens{512, 4096};
  bool no_contender = false;
};

constexpr Column kColumns[] = {
    {"policy", "/policy"},
    {"prompt", "/prompt_tokens"},
    {"restkv, tokens/s", "/tokens_per_second/restkv"},
    {"dense, tokens/s", "/tokens_per_second/restkv_dense"},
    {"ratio to dense", "/ratio_to_dense", 2},
    {"libllama, tokens/s", "/tokens_per_second/libllama"},
    {"ratio", "/ratio", 2},
    {"eviction, %", "/eviction_share", 2, 100.0},
    {"blocks, %", "/block_share", 1, 100.0},
    {"KL", "/agreement/kl", 5},
    {"counts", "/counts"},
};

Json to_row(const bench::PrefillRow& r) {
  Json row{{"policy", r.policy},
           {"prompt_tokens", r.prompt_tokens},
           {"tokens_per_second", {{"restkv", to_json(r.restkv)}}}};
  if (r.has_dense) {
    row["tokens_per_second"]["restkv_dense"] = to_json(r.dense);
    row["ratio_to_dense"] = to_json(r.to_dense);
  }
  if (r.has_contender) {
    row["tokens_per_second"]["libllama"] = to_json(r.libllama);
    row["ratio"] = to_json(r.ratio);
  }
  row.update({{"eviction_share", to_json(r.eviction_share)},
              {"block_share", r.block_share},
              {"entries", r.entries},
              {"planned", r.planned}});
  if (r.agreement) row["agreement"] = to_json(*r.agreement);
  row["counts"] = r.counts;
  return row;
}

Status run(const ReadingFlags& f) {
  RESTKV_RETURN_IF_ERROR(check_counts("--prompt-tokens", f.prompt_tokens, 1));
  RESTKV_ASSIGN_OR_RETURN(const EngineOptions engine, engine_options(f.bench.model));
  RESTKV_ASSIGN_OR_RETURN(const PrefillAttention attention,
                          prefill_attention(f.prefill, engine.kernels));
  RESTKV_ASSIGN_OR_RETURN(const Bench bench, open_bench(f.bench, !f.no_contender));
  Json document = begin_document("prefill", f.bench, bench);
  document["prefill_attention"] = f.prefill.kind;
  RESTKV_ASSIGN_OR_RETURN(const auto rows,
                          bench::run_prefill(*bench.contest, f.prompt_tokens, attention));
  for (const bench::PrefillRow& row : rows)
    document["rows"].push_back(to_row(row));
  bench.contest->say("");
  return print_report(document, kColumns, f.bench.json);
}

}  // namespace

void register_bench_prefill(CLI::App& bench, int* exit_code) {
  CLI::App* command = bench.add_subcommand("prefill", "tokens/s of reading, beside libllama");
  auto flags = std::make_shared<ReadingFlags>();
  add_bench_flags(*command, flags->bench);
  add_counts(*command, "--prompt-tokens", flags->prompt_tokens, "lengths, apart by commas");
  command->add_flag("--no-contender", flags->no_contender, "without libllama");
  add_prefill_flags(*command, flags->prefill);
  finish_options(*command);
  command->callback([=] {
    const Status status = run(*flags);
    *exit_code = status.ok() ? 0 : report(status);
  });
}

}  // namespace restkv::cli
