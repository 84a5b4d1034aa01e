#include "cli/bench.h"

#include "cli/bench_patterns.h"

namespace restkv::cli {

void register_bench(CLI::App& app, int* exit_code) {
  CLI::App* bench = app.add_subcommand("bench", "measure speed and memory, beside libllama");
  bench->require_subcommand(1);
  register_bench_prefill(*bench, exit_code);
  register_bench_decode(*bench, exit_code);
  register_bench_memory(*bench, exit_code);
  register_bench_eviction(*bench, exit_code);
  register_bench_kernels(*bench, exit_code);
  register_bench_layer(*bench, exit_code);
  register_bench_patterns(*bench, exit_code);
  register_bench_numerics(*bench, exit_code);
}

}  // namespace restkv::cli
