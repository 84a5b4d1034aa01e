#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

// `restkv eval perplexity`: how likely a model finds a text.
void register_eval(CLI::App& app, int* exit_code);

}  // namespace restkv::cli
