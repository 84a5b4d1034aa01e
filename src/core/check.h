// Checks of our own invariants. User and file errors are Status values, never this.
#pragma once

namespace restkv {

// Says on stderr which invariant broke, and aborts.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace restkv

// Aborts when `condition` is false: a bug of ours, not an input error. Active in every build.
#define RESTKV_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::restkv::check_failed(#condition, __FILE__, __LINE__))
