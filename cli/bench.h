#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

// `restkv bench`: scenarios of the folder bench/, one subcommand and one file bench_*.cpp each.
void register_bench(CLI::App& app, int* exit_code);

void register_bench_decode(CLI::App& bench, int* exit_code);
void register_bench_eviction(CLI::App& bench, int* exit_code);
void register_bench_kernels(CLI::App& bench, int* exit_code);
void register_bench_layer(CLI::App& bench, int* exit_code);
void register_bench_memory(CLI::App& bench, int* exit_code);
void register_bench_numerics(CLI::App& bench, int* exit_code);
void register_bench_prefill(CLI::App& bench, int* exit_code);

}  // namespace restkv::cli
