#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

// `restkv bench`: scenarios of the folder bench/, one subcommand each.
void register_bench(CLI::App& app, int* exit_code);

}  // namespace restkv::cli
