// `restkv eval choice` and `restkv eval cloze`: questions and texts of a user's own files.
#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

void register_eval_own(CLI::App& eval, int* exit_code);

}  // namespace restkv::cli
