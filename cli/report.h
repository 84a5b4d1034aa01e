// `restkv report`: result lines of evaluations as a page, as Markdown and as JSON.
#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

// Adds the subcommand to `app`. When it is used, its callback runs it and leaves its exit code in
// *exit_code, which must outlive the parse.
void register_report(CLI::App& app, int* exit_code);

}  // namespace restkv::cli
