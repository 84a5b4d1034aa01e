#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

// `restkv info MODEL`: shape, family, memory at a context length.
void register_info(CLI::App& app, int* exit_code);

}  // namespace restkv::cli
