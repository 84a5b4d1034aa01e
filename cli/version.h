// The version that the program, result lines and measurements name.
#pragma once

namespace restkv::cli {

inline constexpr const char* kVersion = RESTKV_VERSION;

}  // namespace restkv::cli
