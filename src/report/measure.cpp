#include "report/measure.h"

#include <array>

namespace restkv::report {
namespace {

constexpr Measure kScore{"score", "", "percent", "percentage points"};

constexpr std::array<Measure, 1> kScoreAlone = {kScore};
constexpr std::array<Measure, 3> kFidelity = {
    kScore, Measure{"KL divergence", "kl", "hundredths of a nat", "hundredths of a nat"},
    Measure{"change of the NLL", "nll_change", "hundredths of a nat a token",
            "hundredths of a nat a token"}};
constexpr std::array<Measure, 4> kHumanEval = {
    kScore, Measure{"turn 1", "turn_1", "percent", "percentage points"},
    Measure{"turn 2", "turn_2", "percent", "percentage points"},
    Measure{"turn 3", "turn_3", "percent", "percentage points"}};

}  // namespace

std::span<const Measure> measures_of(std::string_view benchmark) {
  if (benchmark == "fidelity") return kFidelity;
  if (benchmark == "humaneval") return kHumanEval;
  return kScoreAlone;
}

}  // namespace restkv::report
