// Needle in a haystack as the ReST-KV reference scores it: ROUGE-1 of rouge_score 0.1.2 in its
// result files, the share of expected words in its heat map.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "scores/metrics.h"
#include "scores/porter_stemmer.h"
#include "scores/rouge_words.h"

namespace restkv {
namespace {

constexpr size_t kShortWord = 3;  // words up to this length are not stemmed

std::unordered_map<std::string, int64_t> count_stems(std::string_view text, int64_t* n_word) {
  std::unordered_map<std::string, int64_t> counts;
  *n_word = 0;
  for (std::string& word : rouge_words(decode_utf8(text))) {
    ++counts[word.size() > kShortWord ? porter_stem(std::move(word)) : word];
    ++*n_word;
  }
  return counts;
}

std::unordered_set<Text> distinct_words(std::string_view text) {
  const Text lowered = lower(decode_utf8(text));
  std::unordered_set<Text> words;
  for (const TextView word : split_words(lowered))
    words.emplace(word);
  return words;
}

}  // namespace

Score niah_rouge_1(const MetricInput& input) {
  int64_t n_predicted = 0, n_expected = 0, n_shared = 0;
  const auto predicted = count_stems(input.prediction, &n_predicted);
  const auto expected = count_stems(input.reference, &n_expected);
  for (const auto& [stem, n] : expected) {
    const auto found = predicted.find(stem);
    if (found != predicted.end()) n_shared += std::min(n, found->second);
  }
  if (n_shared == 0) return 0;
  const auto shared = static_cast<double>(n_shared);
  return 10 * f_measure(shared / static_cast<double>(n_predicted),
                        shared / static_cast<double>(n_expected));
}

Score niah_heatmap(const MetricInput& input) {
  const std::unordered_set<Text> predicted = distinct_words(input.prediction);
  const std::unordered_set<Text> expected = distinct_words(input.reference);
  if (expected.empty()) return Score::raises("ZeroDivisionError");
  const auto n_found =
      std::ranges::count_if(expected, [&](const Text& word) { return predicted.contains(word); });
  return static_cast<double>(n_found) / static_cast<double>(expected.size());
}

}  // namespace restkv
