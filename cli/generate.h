#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

// `restkv generate`: an answer to a prompt. *exit_code is set when the command has run.
void register_generate(CLI::App& app, int* exit_code);

}  // namespace restkv::cli
