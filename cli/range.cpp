#include "cli/range.h"

namespace restkv::cli {

Status check_range(const std::string& flag, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return {};
  return Status::usage(flag + " is " + std::to_string(value) +
                       ", allowed: " + std::to_string(least) + " to " + std::to_string(most));
}

}  // namespace restkv::cli
