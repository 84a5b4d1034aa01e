#include "report/numbers.h"

#include <array>
#include <charconv>

#include "core/check.h"

namespace restkv::report {
namespace {

std::string interval_text(const std::optional<Interval>& interval, bool with_sign) {
  if (!interval) return "";
  const auto write = with_sign ? fixed_signed : fixed;
  return " [" + write(interval->low, 1) + ", " + write(interval->high, 1) + "]";
}

}  // namespace

std::string fixed(double x, int n_decimal) {
  std::array<char, 400> buffer;  // holds any double
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), x,
                                          std::chars_format::fixed, n_decimal);
  RESTKV_CHECK(error == std::errc());
  std::string text(buffer.data(), end);
  if (text.find_first_not_of("-0.") == std::string::npos && text.front() == '-') text.erase(0, 1);
  return text;
}

std::string fixed_signed(double x, int n_decimal) {
  const std::string text = fixed(x, n_decimal);
  const bool is_zero = text.find_first_not_of("0.") == std::string::npos;
  return text.front() == '-' || is_zero ? text : "+" + text;
}

std::string score_text(const std::optional<Estimate>& estimate) {
  if (!estimate) return "";
  return fixed(estimate->value, 2) + interval_text(estimate->interval, false);
}

std::string difference_text(const std::optional<Estimate>& estimate) {
  if (!estimate) return "";
  return fixed_signed(estimate->value, 2) + interval_text(estimate->interval, true) +
         (estimate->excludes_zero() ? " *" : "");
}

std::string counted(size_t n, const std::string& noun) {
  return grouped(static_cast<int64_t>(n)) + " " + noun + (n == 1 ? "" : "s");
}

std::string grouped(int64_t n) {
  std::string text = std::to_string(n);
  const ptrdiff_t first = n < 0 ? 1 : 0;
  for (ptrdiff_t i = static_cast<ptrdiff_t>(text.size()) - 3; i > first; i -= 3)
    text.insert(static_cast<size_t>(i), 1, ',');
  return text;
}

}  // namespace restkv::report
