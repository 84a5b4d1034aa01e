// LongBench's retrieval and count: which share of the numbers in the prediction is the right one.
#include <algorithm>

#include "scores/metrics.h"
#include "scores/text.h"

namespace restkv {
namespace {

bool is_decimal(char32_t c) {
  return decimal_value(c) >= 0;
}

// Numbers are compared as strings.
double share_equal_to(TextView number, TextView prediction) {
  const std::vector<TextView> numbers = find_runs(prediction, is_decimal);
  if (numbers.empty()) return 0;
  return static_cast<double>(std::ranges::count(numbers, number)) /
         static_cast<double>(numbers.size());
}

// The digits behind the first "Paragraph " that has some; empty if none has.
TextView paragraph_number(TextView reference) {
  constexpr TextView kHead = U"Paragraph ";
  for (size_t at = reference.find(kHead); at != TextView::npos;
       at = reference.find(kHead, at + 1)) {
    const TextView rest = reference.substr(at + kHead.size());
    const size_t n = static_cast<size_t>(std::ranges::find_if_not(rest, is_decimal) - rest.begin());
    if (n > 0) return rest.substr(0, n);
  }
  return {};
}

}  // namespace

Score retrieval(const MetricInput& input) {
  const Text reference = decode_utf8(input.reference);
  const TextView number = paragraph_number(reference);
  if (number.empty()) return Score::raises("IndexError");
  return share_equal_to(number, decode_utf8(input.prediction));
}

Score count(const MetricInput& input) {
  return share_equal_to(decode_utf8(input.reference), decode_utf8(input.prediction));
}

}  // namespace restkv
