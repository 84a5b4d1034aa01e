#include "scores/common_words.h"

#include <algorithm>

namespace restkv {
namespace {

// [i * n_prediction + j]: from the beginnings that end with the words i and j, which differ, the
// trace steps to the front in the reference.
std::vector<bool> reference_steps(std::span<const int32_t> reference,
                                  std::span<const int32_t> prediction, TieStep on_tie) {
  const size_t m = prediction.size();
  std::vector<bool> steps(reference.size() * m);
  std::vector<int32_t> above(m + 1, 0), row(m + 1, 0);  // lengths; [0] is of no words
  for (size_t i = 0; i < reference.size(); ++i) {
    for (size_t j = 0; j < m; ++j) {
      const bool tie = above[j + 1] == row[j];
      steps[i * m + j] = tie ? on_tie == TieStep::reference : above[j + 1] > row[j];
      row[j + 1] = reference[i] == prediction[j] ? above[j] + 1 : std::max(above[j + 1], row[j]);
    }
    row.swap(above);
  }
  return steps;
}

}  // namespace

std::vector<size_t> common_places(std::span<const int32_t> reference,
                                  std::span<const int32_t> prediction, TieStep on_tie) {
  const std::vector<bool> steps = reference_steps(reference, prediction, on_tie);
  std::vector<size_t> places;
  for (size_t i = reference.size(), j = prediction.size(); i > 0 && j > 0;) {
    if (reference[i - 1] == prediction[j - 1]) {
      places.push_back(i - 1);
      --i, --j;
    } else if (steps[(i - 1) * prediction.size() + j - 1]) {
      --i;
    } else {
      --j;
    }
  }
  return places;
}

}  // namespace restkv
