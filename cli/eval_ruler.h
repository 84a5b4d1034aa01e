// The command `restkv eval ruler`: RULER and its synthetic tasks.
#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

void register_eval_ruler(CLI::App& eval, int* exit_code);

}  // namespace restkv::cli
