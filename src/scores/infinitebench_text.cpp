// En.Sum, En.QA, Zh.QA.
#include <algorithm>
#include <array>

#include "scores/answer_words.h"
#include "scores/label.h"
#include "scores/rouge_lsum.h"
#include "scores/token_f1.h"

namespace restkv {
namespace {

struct Span {
  char32_t first, last;
};

// Chinese and typographic punctuation that Zh.QA deletes. The list is the benchmark's own: angle
// brackets but for the closing double one, and the full-width stop, are not in it.
constexpr std::array kPunctuation = {
    Span{0x2013, 0x2014}, Span{0x2018, 0x2019}, Span{0x201B, 0x201F}, Span{0x2026, 0x2027},
    Span{0x3001, 0x3003}, Span{0x300B, 0x3011}, Span{0x3014, 0x301F}, Span{0x3030, 0x3030},
    Span{0x303E, 0x303F}, Span{0xFE4F, 0xFE4F}, Span{0xFF01, 0xFF0D}, Span{0xFF0F, 0xFF0F},
    Span{0xFF1A, 0xFF20}, Span{0xFF3B, 0xFF40}, Span{0xFF5B, 0xFF64}};

bool is_dropped(char32_t c) {
  return is_ascii_punctuation(c) || is_space(c) ||
         std::ranges::any_of(kPunctuation, [c](Span s) { return c >= s.first && c <= s.last; });
}

double chinese_f1(std::string_view prediction, std::string_view reference) {
  Text predicted = lower(decode_utf8(prediction));
  Text expected = lower(decode_utf8(reference));
  std::erase_if(predicted, is_dropped);
  std::erase_if(expected, is_dropped);
  return character_f1(predicted, expected);
}

// The best over the answers. A string stands for its characters, one by one: so does Python.
Score best_f1(const InfiniteBenchInput& input,
              double (*f1)(std::string_view prediction, std::string_view reference)) {
  if (!is_iterable(input.label)) return Score::raises("TypeError");
  double best = 0;
  for (const Label& answer : label_items(input.label)) {
    if (!answer.is_string()) return Score::raises("AttributeError");
    best = std::max(best, f1(input.prediction, answer.get_ref<const std::string&>()));
  }
  return best;
}

}  // namespace

Score infinitebench_qa_english(const InfiniteBenchInput& input) {
  return best_f1(input, answer_f1);
}

Score infinitebench_qa_chinese(const InfiniteBenchInput& input) {
  return best_f1(input, chinese_f1);
}

Score infinitebench_summary(const InfiniteBenchInput& input) {
  if (input.label.is_string())
    return rouge_lsum(input.prediction, input.label.get_ref<const std::string&>());
  if (!input.label.is_array()) return Score::raises("TypeError");
  if (input.label.empty()) return Score::raises("ValueError");
  double best = 0;
  for (const Label& reference : input.label) {
    if (!reference.is_string()) return Score::raises("TypeError");
    best = std::max(best, rouge_lsum(input.prediction, reference.get_ref<const std::string&>()));
  }
  return best;
}

}  // namespace restkv
