// The command `restkv eval perplexity`: likelihood of a text.
#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

void register_eval_perplexity(CLI::App& eval, int* exit_code);

}  // namespace restkv::cli
