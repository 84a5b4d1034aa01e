// The command `restkv eval merge`: the result files of several machines as one.
#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

void register_eval_merge(CLI::App& eval, int* exit_code);

}  // namespace restkv::cli
