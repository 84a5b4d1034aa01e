// `restkv eval humaneval`: code that the model writes, executed against its tests.
#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

void register_eval_humaneval(CLI::App& eval, int* exit_code);

}  // namespace restkv::cli
