#include "scores/rouge_words.h"

namespace restkv {

std::vector<std::string> rouge_words(TextView text) {
  const Text lowered = lower(text);
  std::vector<std::string> words;
  for (const TextView word :
       find_runs(lowered, [](char32_t c) { return (c >= U'a' && c <= U'z') || is_ascii_digit(c); }))
    words.emplace_back(word.begin(), word.end());
  return words;
}

double f_measure(double precision, double recall) {
  if (precision + recall <= 0) return 0;
  return 2 * precision * recall / (precision + recall);
}

}  // namespace restkv
