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

// 0..1 in hundredths. `ratio` is asked for two different strings that are not empty.
Score fuzzy_ratio(const MetricInput& input, double (*ratio)(TextView a, TextView b)) {
  const Text prediction = decode_utf8(input.prediction);
  const TextView line = first_line_of_code(prediction);
  const Text reference = decode_utf8(input.reference);
  if (line == reference) return 1;
  if (line.empty() || reference.empty()) return 0;
  return std::nearbyint(100 * ratio(line, reference)) / 100;
}

double difflib_ratio(TextView a, TextView b) {
  return 2.0 * static_cast<double>(difflib_matches(a, b)) /
         static_cast<double>(a.size() + b.size());
}

// One minus the share of insertions and deletions: written so, because that rounds to other
// hundredths at some ties than twice the subsequence by the length does.
double levenshtein_ratio(TextView a, TextView b) {
  const size_t n = a.size() + b.size();
  const size_t n_edit = n - 2 * common_subsequence(a, b);
  return 1.0 - static_cast<double>(n_edit) / static_cast<double>(n);
}

}  // namespace

Score code_sim(const MetricInput& input) {
  return fuzzy_ratio(input, difflib_ratio);
}

Score code_sim_levenshtein(const MetricInput& input) {
  return fuzzy_ratio(input, levenshtein_ratio);
}

}  // namespace restkv
