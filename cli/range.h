// Whole numbers of the command line that must lie between two others.
#pragma once

#include <cstdint>
#include <string>

#include "restkv/status.h"

namespace restkv::cli {

// Error: usage, "FLAG is VALUE, allowed: LEAST to MOST".
Status check_range(const std::string& flag, int64_t value, int64_t least, int64_t most);

}  // namespace restkv::cli
