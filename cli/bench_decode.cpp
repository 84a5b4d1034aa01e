#include <memory>

#include "bench/decode/decode.h"
#include "cli/bench.h"
#include "cli/bench_report.h"
#include "cli/runtime.h"

namespace restkv::cli {
namespace {

struct DecodeFlags {
  BenchFlags bench;
  std::vector<int64_t> cache_tokens{0, 4096};
  int n_step = 64;
};

constexpr Column kColumns[] = {
    {"policy", "/policy"},
    {"prompt", "/cache_tokens"},
    {"entries", "/entries"},
    {"restkv, tokens/s", "/tokens_per_second/restkv"},
    {"libllama, tokens/s", "/tokens_per_second/libllama"},
    {"ratio", "/ratio", 2},
    {"KL of full", "/agreement/kl", 5},
    {"counts", "/counts"},
};

Json to_row(const bench::DecodeRow& r) {
  return {{"policy", r.policy},
          {"cache_tokens", r.cache_tokens},
          {"entries", r.entries},
          {"planned", r.planned},
          {"tokens_per_second", {{"restkv", to_json(r.restkv)}, {"libllama", to_json(r.libllama)}}},
          {"ratio", to_json(r.ratio)},
          {"agreement", to_json(r.agreement)},
          {"counts", r.counts}};
}

Status run(const DecodeFlags& f) {
  RESTKV_RETURN_IF_ERROR(check_counts("--cache", f.cache_tokens, 0));
  RESTKV_RETURN_IF_ERROR(check_range("--n-predict", f.n_step, 1, 1 << 16));
  RESTKV_ASSIGN_OR_RETURN(const Bench bench, open_bench(f.bench, true));
  Json document = begin_document("decode", f.bench, bench);
  document["decoded_tokens"] = f.n_step;
  RESTKV_ASSIGN_OR_RETURN(const auto rows,
                          bench::run_decode(*bench.contest, f.cache_tokens, f.n_step));
  for (const bench::DecodeRow& row : rows)
    document["rows"].push_back(to_row(row));
  bench.contest->say("");
  return print_report(document, kColumns, f.bench.json);
}

}  // namespace

void register_bench_decode(CLI::App& bench, int* exit_code) {
  CLI::App* command =
      bench.add_subcommand("decode", "tokens/s of decoding by cache length, beside libllama");
  auto flags = std::make_shared<DecodeFlags>();
  add_bench_flags(*command, flags->bench);
  add_counts(*command, "--cache", flags->cache_tokens, "tokens before, apart by commas; 0: one");
  add_flag_value(*command, "-n,--n-predict", flags->n_step, "tokens decoded in a repetition");
  finish_options(*command);
  command->callback([=] {
    const Status status = run(*flags);
    *exit_code = status.ok() ? 0 : report(status);
  });
}

}  // namespace restkv::cli
