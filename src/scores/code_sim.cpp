// LongBench's code similarity: fuzzywuzzy 0.18's ratio of the answer and the prediction's first
// line of code.
#include <cmath>

#include "scores/metrics.h"
#include "scores/sequence_match.h"

namespace restkv {
namespace {

bool is_code(TextView line) {
  return line.find(U'`') == TextView::npos && line.find(U'#') == TextView::npos &&
         line.find(U"//") == TextView::npos;
}

TextView first_line_of_code(TextView prediction) {
  for (const TextView line : split_at(strip_leading_newlines(prediction), U'\n')) {
    if (is_code(line)) return line;
  }
  return {};
}

// 0..1 in hundredths. `n_matches`: characters that the two strings share.
Score fuzzy_ratio(const MetricInput& input, size_t (*n_matches)(TextView a, TextView b)) {
  const Text prediction = decode_utf8(input.prediction);
  const TextView line = first_line_of_code(prediction);
  const Text reference = decode_utf8(input.reference);
  if (line == reference) return 1;
  if (line.empty() || reference.empty()) return 0;
  const double ratio = 2.0 * static_cast<double>(n_matches(line, reference)) /
                       static_cast<double>(line.size() + reference.size());
  return std::nearbyint(100 * ratio) / 100;
}

}  // namespace

Score code_sim(const MetricInput& input) {
  return fuzzy_ratio(input, difflib_matches);
}

Score code_sim_levenshtein(const MetricInput& input) {
  return fuzzy_ratio(input, common_subsequence);
}

}  // namespace restkv
