// How deeply JSON is nested, before a parser's result is copied, compared or written: those
// recurse, and would end the process where a line of brackets is long enough. Thread safety: pure.
#pragma once

#include <string_view>

#include "restkv/status.h"

namespace restkv {

inline constexpr int kMaxJsonDepth = 200;

// Error: model. A text that is no JSON passes or not; a parser says the rest.
Status check_json_depth(std::string_view text);

}  // namespace restkv
