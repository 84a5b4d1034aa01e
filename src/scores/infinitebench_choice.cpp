// En.MC and En.Dia. An option's letter or text may stand in several places; the first rule that
// applies decides.
#include <algorithm>

#include "scores/label.h"
#include "scores/option_answer.h"

namespace restkv {
namespace {

constexpr TextView kLetters = U"ABCD";

bool is_letters(TextView word) {
  return kLetters.find(word) != TextView::npos;
}

}  // namespace

Score infinitebench_choice(const InfiniteBenchInput& input) {
  const Text decoded = decode_utf8(input.prediction);
  const TextView prediction = strip(decoded);
  if (prediction.empty()) return 0;
  if (!is_iterable(input.label)) return Score::raises("TypeError");
  if (is_letters(prediction.substr(0, 1)))
    return contains(input.label, prediction.substr(0, 1)) ? 1 : 0;
  if (contains(input.label, prediction)) return 1;
  const Text text = squeeze_spaces(
      blank_out(prediction, {U"\n", U"\"", U"'", U".", U",", U"?", U"!", U"{", U"}"}));
  const auto said = option_behind(text, {U"answer is:", U"answer:", U"answer is", U"option is"},
                                  label_items(input.label));
  if (said.has_value()) return *said;
  // "BC" is such a word, too, and the wrong one.
  const std::vector<TextView> words = split_words(text);
  const auto word = std::ranges::find_if(words, is_letters);
  return word != words.end() && contains(input.label, *word) ? 1 : 0;
}

// The first name only, and only where it is one word.
Score infinitebench_dialogue(const InfiniteBenchInput& input) {
  const LabelItem name = label_item(input.label, 0);
  if (!name.error.empty()) return Score::raises(name.error);
  const Text text = blank_out(decode_utf8(input.prediction),
                              {U"\n", U":", U"\"", U"'", U".", U",", U"?", U"!", U"{", U"}"});
  return std::ranges::any_of(split_words(text),
                             [&](TextView word) { return equals(name.value, upper(word)); })
             ? 1
             : 0;
}

}  // namespace restkv
