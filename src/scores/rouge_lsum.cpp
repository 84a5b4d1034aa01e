#include "scores/rouge_lsum.h"

#include <algorithm>
#include <unordered_map>

#include "scores/rouge_words.h"

namespace restkv {
namespace {

using Sentence = std::vector<std::string>;

std::vector<Sentence> split_lines(std::string_view text) {
  const Text decoded = decode_utf8(text);
  std::vector<Sentence> sentences;
  for (const TextView line : split_at(decoded, U'\n')) {
    if (!line.empty()) sentences.push_back(rouge_words(line));
  }
  return sentences;
}

// Marks the words of `reference` in one longest common subsequence: traced from the end, a step to
// the front of the prediction only where that is strictly better.
void mark_common(const Sentence& reference, const Sentence& prediction, std::vector<bool>* marked) {
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
      (*marked)[i - 1] = true;
      --i, --j;
    } else if (length[i * stride + j - 1] > length[(i - 1) * stride + j]) {
      --j;
    } else {
      --i;
    }
  }
}

class WordCounts {
 public:
  explicit WordCounts(const std::vector<Sentence>& sentences) {
    for (const Sentence& sentence : sentences) {
      for (const std::string& word : sentence)
        ++counts_[word], ++total_;
    }
  }
  int64_t total() const { return total_; }
  int64_t left(const std::string& word) const {
    const auto found = counts_.find(word);
    return found == counts_.end() ? 0 : found->second;
  }
  void take(const std::string& word) { --counts_[word]; }

 private:
  std::unordered_map<std::string, int64_t> counts_;
  int64_t total_ = 0;
};

}  // namespace

double rouge_lsum(std::string_view prediction, std::string_view reference) {
  const std::vector<Sentence> predicted = split_lines(prediction);
  const std::vector<Sentence> expected = split_lines(reference);
  WordCounts in_prediction(predicted), in_reference(expected);
  if (in_prediction.total() == 0 || in_reference.total() == 0) return 0;
  int64_t n_hit = 0;
  for (const Sentence& sentence : expected) {
    std::vector<bool> marked(sentence.size(), false);
    for (const Sentence& other : predicted)
      mark_common(sentence, other, &marked);
    for (size_t i = 0; i < sentence.size(); ++i) {
      // No word counts more often than it occurs on either side.
      const std::string& word = sentence[i];
      if (!marked[i] || in_prediction.left(word) == 0 || in_reference.left(word) == 0) continue;
      in_prediction.take(word);
      in_reference.take(word);
      ++n_hit;
    }
  }
  const auto hits = static_cast<double>(n_hit);
  return f_measure(hits / static_cast<double>(in_prediction.total()),
                   hits / static_cast<double>(in_reference.total()));
}

}  // namespace restkv
