// LongBench's rouge_l: the Python package rouge 1.0.1, summary level, distinct words. Its
// recursion, which overflows on long sentences, is not followed.
#include <unordered_set>

#include "scores/common_words.h"
#include "scores/metrics.h"
#include "scores/text.h"

namespace restkv {
namespace {

using Sentence = std::vector<int32_t>;

std::vector<Sentence> split_sentences(TextView text, WordNumbers<Text>* numbers) {
  std::vector<Sentence> sentences;
  for (const TextView piece : split_at(text, U'.')) {
    if (piece.empty()) continue;
    Sentence sentence;
    for (const TextView word : split_words(piece))
      sentence.push_back(numbers->of(Text(word)));
    if (sentence.empty()) sentence.push_back(numbers->of(U""));  // blanks only: one empty word
    sentences.push_back(std::move(sentence));
  }
  return sentences;
}

double n_distinct(const std::vector<Sentence>& sentences) {
  std::unordered_set<int32_t> words;
  for (const Sentence& sentence : sentences)
    words.insert(sentence.begin(), sentence.end());
  return static_cast<double>(words.size());
}

}  // namespace

Score rouge_l(const MetricInput& input) {
  WordNumbers<Text> numbers;
  const auto predicted = split_sentences(decode_utf8(input.prediction), &numbers);
  const auto expected = split_sentences(decode_utf8(input.reference), &numbers);
  if (predicted.empty() || expected.empty()) return 0;
  std::unordered_set<int32_t> common;
  for (const Sentence& reference : expected) {
    for (const Sentence& prediction : predicted) {
      for (const size_t i : common_places(reference, prediction, TieStep::prediction))
        common.insert(reference[i]);
    }
  }
  const auto n_common = static_cast<double>(common.size());
  const double recall = n_common / n_distinct(expected);
  const double precision = n_common / n_distinct(predicted);
  return 2 * ((precision * recall) / (precision + recall + 1e-8));
}

}  // namespace restkv
