// LongBench's rouge_l: the Python package rouge 1.0.1, summary level, distinct words. Its
// recursion, which overflows on long sentences, is not followed.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "scores/metrics.h"
#include "scores/text.h"

namespace restkv {
namespace {

using Word = int32_t;  // equal words have equal numbers
using Sentence = std::vector<Word>;

class Sentences {
 public:
  std::vector<Sentence> split(TextView text);

 private:
  Word number(TextView word) {
    return numbers_.try_emplace(Text(word), static_cast<Word>(numbers_.size())).first->second;
  }
  std::unordered_map<Text, Word> numbers_;
};

std::vector<Sentence> Sentences::split(TextView text) {
  std::vector<Sentence> sentences;
  for (const TextView piece : split_at(text, U'.')) {
    if (piece.empty()) continue;
    Sentence sentence;
    for (const TextView word : split_words(piece))
      sentence.push_back(number(word));
    if (sentence.empty()) sentence.push_back(number(U""));  // blanks only: one empty word
    sentences.push_back(std::move(sentence));
  }
  return sentences;
}

// Adds the words of one longest common subsequence: traced from the end, a step to the front of the
// reference only where that is strictly better.
void add_common_words(const Sentence& reference, const Sentence& prediction,
                      std::unordered_set<Word>* words) {
  const size_t n = reference.size(), m = prediction.size(), stride = m + 1;
  std::vector<int32_t> length((n + 1) * stride, 0);
  for (size_t i = 1; i <= n; ++i) {
    for (size_t j = 1; j <= m; ++j) {
      length[i * stride + j] =
          reference[i - 1] == prediction[j - 1]
              ? length[(i - 1) * stride + j - 1] + 1
              : std::max(length[(i - 1) * stride + j], length[i * stride + j - 1]);
    }
  }
  for (size_t i = n, j = m; i > 0 && j > 0;) {
    if (reference[i - 1] == prediction[j - 1]) {
      words->insert(reference[i - 1]);
      --i, --j;
    } else if (length[(i - 1) * stride + j] > length[i * stride + j - 1]) {
      --i;
    } else {
      --j;
    }
  }
}

double n_distinct(const std::vector<Sentence>& sentences) {
  std::unordered_set<Word> words;
  for (const Sentence& sentence : sentences)
    words.insert(sentence.begin(), sentence.end());
  return static_cast<double>(words.size());
}

}  // namespace

Score rouge_l(const MetricInput& input) {
  Sentences sentences;
  const std::vector<Sentence> predicted = sentences.split(decode_utf8(input.prediction));
  const std::vector<Sentence> expected = sentences.split(decode_utf8(input.reference));
  if (predicted.empty() || expected.empty()) return 0;
  std::unordered_set<Word> common;
  for (const Sentence& reference : expected) {
    for (const Sentence& prediction : predicted)
      add_common_words(reference, prediction, &common);
  }
  const auto n_common = static_cast<double>(common.size());
  const double recall = n_common / n_distinct(expected);
  const double precision = n_common / n_distinct(predicted);
  return 2 * ((precision * recall) / (precision + recall + 1e-8));
}

}  // namespace restkv
