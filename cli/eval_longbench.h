// The command `restkv eval longbench`: LongBench.
#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

void register_eval_longbench(CLI::App& eval, int* exit_code);

}  // namespace restkv::cli
