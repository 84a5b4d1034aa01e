// The command `restkv eval infinitebench`: InfiniteBench.
#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

void register_eval_infinitebench(CLI::App& eval, int* exit_code);

}  // namespace restkv::cli
