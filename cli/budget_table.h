// Tables of budgets in plain text: one line a layer, numbers apart by spaces or commas, # begins a
// comment. `--kv-layer-budget table:FILE` has one number a line (or all on one), `--kv-head-budget
// table:FILE` one for every head.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "restkv/status.h"

namespace restkv::cli {

// [line][number]. Error: model (unreadable, no numbers, a number out of 0 .. 2^30), by line.
Result<std::vector<std::vector<int64_t>>> read_budget_table(const std::string& path);

}  // namespace restkv::cli
