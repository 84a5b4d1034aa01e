#include "scores/rouge_lsum.h"

#include "scores/common_words.h"
#include "scores/rouge_words.h"

namespace restkv {
namespace {

using Sentence = std::vector<int32_t>;

std::vector<Sentence> split_lines(std::string_view text, WordNumbers<std::string>* numbers) {
  const Text decoded = decode_utf8(text);
  std::vector<Sentence> sentences;
  for (const TextView line : split_at(decoded, U'\n')) {
    if (line.empty()) continue;
    Sentence& sentence = sentences.emplace_back();
    for (const std::string& word : rouge_words(line))
      sentence.push_back(numbers->of(word));
  }
  return sentences;
}

// How often each word occurs, by its number.
std::vector<int64_t> count_words(const std::vector<Sentence>& sentences, size_t n_word) {
  std::vector<int64_t> counts(n_word, 0);
  for (const Sentence& sentence : sentences) {
    for (const int32_t word : sentence)
      ++counts[word];
  }
  return counts;
}

double n_words(const std::vector<Sentence>& sentences) {
  size_t n = 0;
  for (const Sentence& sentence : sentences)
    n += sentence.size();
  return static_cast<double>(n);
}

// The words of `reference` in a common subsequence with any sentence of the prediction, in order.
Sentence union_of_common(const Sentence& reference, const std::vector<Sentence>& prediction) {
  std::vector<bool> marked(reference.size(), false);
  for (const Sentence& sentence : prediction) {
    for (const size_t i : common_places(reference, sentence, TieStep::reference))
      marked[i] = true;
  }
  Sentence words;
  for (size_t i = 0; i < reference.size(); ++i) {
    if (marked[i]) words.push_back(reference[i]);
  }
  return words;
}

}  // namespace

double rouge_lsum(std::string_view prediction, std::string_view reference) {
  WordNumbers<std::string> numbers;
  const std::vector<Sentence> predicted = split_lines(prediction, &numbers);
  const std::vector<Sentence> expected = split_lines(reference, &numbers);
  const double n_predicted = n_words(predicted), n_expected = n_words(expected);
  if (n_predicted == 0 || n_expected == 0) return 0;
  std::vector<int64_t> left_predicted = count_words(predicted, numbers.size());
  std::vector<int64_t> left_expected = count_words(expected, numbers.size());
  double n_hit = 0;
  for (const Sentence& sentence : expected) {
    for (const int32_t word : union_of_common(sentence, predicted)) {
      // No word counts more often than it occurs on either side.
      if (left_predicted[word] == 0 || left_expected[word] == 0) continue;
      --left_predicted[word];
      --left_expected[word];
      ++n_hit;
    }
  }
  return f_measure(n_hit / n_predicted, n_hit / n_expected);
}

}  // namespace restkv
