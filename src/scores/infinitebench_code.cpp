// Code.Debug and Code.Run.
#include <algorithm>

#include "scores/integers.h"
#include "scores/label.h"
#include "scores/option_answer.h"

namespace restkv {
namespace {

// The letter at the very beginning, with a sign behind it. A letter alone does not count: the
// reference compares an empty slice where it means to allow that.
bool begins_with_letter(TextView prediction, const Text& letter, InfiniteBenchForm form) {
  std::vector<TextView> signs = {U".", U":"};
  if (form == InfiniteBenchForm::reference) {
    if (letter.empty()) return true;
    signs.insert(signs.end(), {U" ", U"\n"});
  }
  return std::ranges::any_of(
      signs, [&](TextView sign) { return prediction.substr(0, 2) == letter + Text(sign); });
}

}  // namespace

Score infinitebench_code_debug(const InfiniteBenchInput& input) {
  const LabelItem letter = label_item(input.label, 1);
  if (!letter.error.empty()) return Score::raises(letter.error);
  const Label name = label_item(input.label, 0).value;
  const Text decoded = decode_utf8(input.prediction);
  const TextView prediction = strip(decoded);
  const Text letter_text =
      letter.value.is_string() ? text_of(letter.value) : decode_utf8(letter.value.dump());
  if (begins_with_letter(prediction, letter_text, input.form)) return 1;
  const Text text = squeeze_spaces(
      blank_out(prediction, {U"\n", U"`", U"'", U"\"", U"-", U"*", U"Option", U"option"}));
  return option_behind(text, {U"answer is:", U"is:", U"answer:"}, {letter.value, name}).value_or(0);
}

// The last word, as an integer.
Score infinitebench_code_run(const InfiniteBenchInput& input) {
  const LabelItem label = first_of_list(input.label);
  if (!label.error.empty()) return Score::raises(label.error);
  const Text text =
      blank_out(strip(decode_utf8(input.prediction)), {U"\n", U".", U"`", U"'", U"\"", U":"});
  const std::vector<TextView> words = split_words(text);
  if (words.empty()) return 0;
  const auto number = parse_integer(words.back());
  return number.has_value() && number == integer_of(label.value) ? 1 : 0;
}

}  // namespace restkv
