#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

// `patterns`, a scenario of `restkv bench`.
void register_bench_patterns(CLI::App& bench, int* exit_code);

}  // namespace restkv::cli
