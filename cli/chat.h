#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

// `restkv chat`: a conversation inside a fixed KV budget. *exit_code is set when it has ended.
void register_chat(CLI::App& app, int* exit_code);

}  // namespace restkv::cli
