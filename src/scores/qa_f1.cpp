// LongBench (arXiv 2308.14508), after SQuAD's evaluation.
#include <algorithm>

#include "scores/answer_words.h"
#include "scores/metrics.h"
#include "scores/token_f1.h"

namespace restkv {
namespace {

bool is_article(TextView word) {
  return word == U"a" || word == U"an" || word == U"the";
}

// Articles are whole words in the sense of \b, which knows no marks: "the" with a combining accent
// behind it is one. So they are looked for before the text is split at white space.
Text without_articles(TextView text) {
  Text result;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && is_word(text[end]))
      ++end;
    if (end == i) {
      result.push_back(text[i++]);
      continue;
    }
    const TextView word = text.substr(i, end - i);
    result.append(is_article(word) ? U" " : word);
    i = end;
  }
  return result;
}

Text normal_form(std::string_view answer) {
  Text text = lower(decode_utf8(answer));
  std::erase_if(text, is_ascii_punctuation);
  return without_articles(text);
}

}  // namespace

double answer_f1(std::string_view prediction, std::string_view reference) {
  const Text predicted = normal_form(prediction);
  const Text expected = normal_form(reference);
  return token_f1(split_words(predicted), split_words(expected));
}

Score qa_f1(const MetricInput& input) {
  return answer_f1(input.prediction, input.reference);
}

}  // namespace restkv
