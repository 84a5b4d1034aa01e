#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

// `restkv eval COMMAND`: the benchmarks, and how likely a model finds a text.
void register_eval(CLI::App& app, int* exit_code);

}  // namespace restkv::cli
