// What a section states of its samples: their score, or another figure that the same lines carry.
#pragma once

#include <span>
#include <string_view>

namespace restkv::report {

struct Measure {
  std::string_view name;   // of the figure
  std::string_view field;  // of a line's "scores"; empty: the line's "score" itself
  std::string_view unit;   // of a hundredth, which is what reports show
  std::string_view step;   // of a difference between two of them

  bool is_score() const { return field.empty(); }
};

// The score first; lines that lack another one's field have no part in it.
std::span<const Measure> measures_of(std::string_view benchmark);

}  // namespace restkv::report
