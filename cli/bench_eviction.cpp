#include <memory>

#include "bench/eviction/eviction.h"
#include "cli/bench.h"
#include "cli/bench_report.h"
#include "cli/runtime.h"

namespace restkv::cli {
namespace {

struct EvictionFlags {
  BenchFlags bench;
  std::vector<int64_t> prompt_tokens{4096};
};

constexpr Column kColumns[] = {
    {"policy", "/policy"},
    {"prompt", "/prompt_tokens"},
    {"entries", "/entries"},
    {"eviction, ms", "/eviction_ms"},
    {"of prefill, %", "/share", 2, 100.0},
    {"to the first", "/to_first", 2},
    {"counts", "/counts"},
};

Json to_row(const bench::EvictionRow& r) {
  return {{"policy", r.policy},
          {"prompt_tokens", r.prompt_tokens},
          {"entries", r.entries},
          {"planned", r.planned},
          {"eviction_ms", to_json(r.eviction_ms)},
          {"prefill_ms", to_json(r.prefill_ms)},
          {"share", to_json(r.share)},
          {"to_first", to_json(r.to_first)},
          {"counts", r.counts}};
}

Status check_schedules(const std::vector<CacheConfig>& configs) {
  for (const CacheConfig& config : configs) {
    if (config.schedule && config.schedule->kind == Schedule::Kind::chunk) {
      return Status::usage("--kv-schedule counts chunks, here all policies judge one reading");
    }
  }
  return {};
}

Status run(const EvictionFlags& f) {
  RESTKV_RETURN_IF_ERROR(check_counts("--prompt-tokens", f.prompt_tokens, 1));
  RESTKV_ASSIGN_OR_RETURN(const auto configs, configs_of(f.bench));
  RESTKV_RETURN_IF_ERROR(check_schedules(configs));
  RESTKV_ASSIGN_OR_RETURN(const Bench bench, open_bench(f.bench, false));
  Json document = begin_document("eviction", f.bench, bench);
  RESTKV_ASSIGN_OR_RETURN(const auto rows, bench::run_eviction(*bench.contest, f.prompt_tokens));
  for (const bench::EvictionRow& row : rows)
    document["rows"].push_back(to_row(row));
  bench.contest->say("");
  return print_report(document, kColumns, f.bench.json);
}

}  // namespace

void register_bench_eviction(CLI::App& bench, int* exit_code) {
  CLI::App* command = bench.add_subcommand("eviction", "what cutting the cache costs, by policy");
  auto flags = std::make_shared<EvictionFlags>();
  add_bench_flags(*command, flags->bench);
  add_counts(*command, "--prompt-tokens", flags->prompt_tokens, "lengths, apart by commas");
  finish_options(*command);
  command->callback([=] {
    const Status status = run(*flags);
    *exit_code = status.ok() ? 0 : report(status);
  });
}

}  // namespace restkv::cli
