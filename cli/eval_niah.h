// The command `restkv eval niah`: needle in a haystack.
#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

void register_eval_niah(CLI::App& eval, int* exit_code);

}  // namespace restkv::cli
