// The clock that durations are taken from.
#pragma once

#include <chrono>

namespace restkv {

// Milliseconds since some moment, never backwards.
inline double now_ms() {
  using namespace std::chrono;
  return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace restkv
