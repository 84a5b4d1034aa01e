// `restkv eval fidelity`: predictions behind an evicted prompt beside those of the full cache.
#pragma once

#include <CLI/CLI.hpp>

namespace restkv::cli {

void register_eval_fidelity(CLI::App& eval, int* exit_code);

}  // namespace restkv::cli
