// LongBench's classification. The published loop deletes from the list it walks, so that the term
// behind a deleted one is never looked at; that decides scores and is kept.
#include <algorithm>

#include "scores/metrics.h"

namespace restkv {

Score classification(const MetricInput& input) {
  std::vector<std::string_view> candidates;
  for (const std::string& name : input.all_classes) {
    if (input.prediction.find(name) != std::string_view::npos) candidates.push_back(name);
  }
  for (size_t i = 0; i < candidates.size(); ++i) {
    const std::string_view term = candidates[i];
    const bool inside = input.reference.find(term) != std::string_view::npos;
    // The first equal term goes, which is an earlier one where a class is listed twice.
    if (inside && term != input.reference) candidates.erase(std::ranges::find(candidates, term));
  }
  const bool found = std::ranges::find(candidates, input.reference) != candidates.end();
  return found ? 1.0 / static_cast<double>(candidates.size()) : 0.0;
}

}  // namespace restkv
