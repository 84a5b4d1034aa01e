// What a metric yields.
#pragma once

#include <string_view>

namespace restkv {

// A score, or the name of the Python exception with which the published code ends its whole run on
// such a sample. A plain value.
struct Score {
  double value = 0;        // meaningful when ok()
  std::string_view error;  // "ValueError" ..., of static storage; empty: none

  Score(double v = 0) : value(v) {}  // NOLINT: implicit on purpose
  static Score raises(std::string_view exception) {
    Score score;
    score.error = exception;
    return score;
  }
  bool ok() const { return error.empty(); }
};

}  // namespace restkv
