// Math.Find and Math.Calc.
#include <cmath>

#include "scores/integers.h"
#include "scores/label.h"

namespace restkv {
namespace {

// The first number: digits, or digits, a point and digits; decimal digits of every script.
TextView first_number(TextView text) {
  const auto digits_from = [&](size_t i) {
    size_t end = i;
    while (end < text.size() && decimal_value(text[end]) >= 0)
      ++end;
    return end;
  };
  size_t begin = 0;
  while (begin < text.size() && decimal_value(text[begin]) < 0)
    ++begin;
  size_t end = digits_from(begin);
  if (end < text.size() && text[end] == U'.' && digits_from(end + 1) > end + 1)
    end = digits_from(end + 1);
  return text.substr(begin, end - begin);
}

Score equals_integer(TextView number, const Label& label, InfiniteBenchForm form) {
  if (form == InfiniteBenchForm::official) {
    const auto value = parse_integer(number);
    if (!value.has_value()) return Score::raises("ValueError");  // int("88.0")
    return value == integer_of(label) ? 1 : 0;
  }
  const double value = parse_decimal(number);
  if (std::isinf(value)) return Score::raises("OverflowError");
  return truncated(value) == integer_of(label) ? 1 : 0;
}

// The list whose numbers are expected, or the exception.
LabelItem expected_numbers(const InfiniteBenchInput& input) {
  if (!input.label.is_array()) return {{}, "AssertionError"};
  if (input.form == InfiniteBenchForm::reference) return {input.label};
  const LabelItem first = label_item(input.label, 0);
  if (!first.error.empty()) return first;
  return {first.value.is_array() ? first.value : input.label};
}

}  // namespace

Score infinitebench_math_find(const InfiniteBenchInput& input) {
  const LabelItem label = first_of_list(input.label);
  if (!label.error.empty()) return Score::raises(label.error);
  if (!label.value.is_number() && !label.value.is_boolean()) return Score::raises("TypeError");
  const Text prediction = decode_utf8(input.prediction);
  const TextView number = first_number(prediction);
  if (number.empty()) return 0;
  if (!label.value.is_number_float()) return equals_integer(number, label.value, input.form);
  return parse_decimal(number) == label.value.get<double>() ? 1 : 0;
}

// The share of leading values that are right; what follows the first wrong one does not count.
Score infinitebench_math_calc(const InfiniteBenchInput& input) {
  const LabelItem expected = expected_numbers(input);
  if (!expected.error.empty()) return Score::raises(expected.error);
  const Text prediction = decode_utf8(input.prediction);
  const std::vector<TextView> numbers = find_runs(prediction, is_ascii_digit);
  for (const TextView number : numbers) {
    if (number.size() > kMaxIntegerDigits) return Score::raises("ValueError");
  }
  if (expected.value.empty()) return Score::raises("ZeroDivisionError");
  size_t n_right = 0;
  while (n_right < expected.value.size() && n_right < numbers.size() &&
         integer_of(expected.value[n_right]) == normal_integer(numbers[n_right]))
    ++n_right;
  return static_cast<double>(n_right) / static_cast<double>(expected.value.size());
}

}  // namespace restkv
