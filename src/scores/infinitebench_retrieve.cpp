// Retrieve.PassKey, Retrieve.Number, Retrieve.KV.
#include <algorithm>

#include "scores/label.h"

namespace restkv {

// A number that has the key's digits is not the key: strings are compared.
Score infinitebench_first_number(const InfiniteBenchInput& input) {
  const LabelItem key = first_of_list(input.label);
  if (!key.error.empty()) return Score::raises(key.error);
  const Text prediction = decode_utf8(input.prediction);
  const std::vector<TextView> numbers = find_runs(prediction, is_ascii_digit);
  return equals(key.value, numbers.empty() ? TextView() : numbers.front()) ? 1 : 0;
}

// In the official form a list is never among the words.
Score infinitebench_kv_retrieval(const InfiniteBenchInput& input) {
  const bool reference = input.form == InfiniteBenchForm::reference;
  std::vector<TextView> blanked = {U"\n", U":", U"\"", U"'", U".", U",", U"?", U"!", U"{", U"}"};
  if (reference) blanked.insert(blanked.end(), {U"</s>", U"The", U"To"});
  const LabelItem value = reference ? first_of_list(input.label) : LabelItem{input.label};
  if (!value.error.empty()) return Score::raises(value.error);
  const Text text = blank_out(decode_utf8(input.prediction), blanked);
  return std::ranges::any_of(split_words(text),
                             [&](TextView word) { return equals(value.value, word); })
             ? 1
             : 0;
}

}  // namespace restkv
