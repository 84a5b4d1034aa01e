#include "scores/integers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "core/check.h"

namespace restkv {
namespace {

char ascii_digit(char32_t digit) {
  return static_cast<char>('0' + decimal_value(digit));
}

}  // namespace

std::string normal_integer(TextView digits) {
  std::string normal;
  for (const char32_t digit : digits) {
    const char c = ascii_digit(digit);
    if (c != '0' || !normal.empty()) normal.push_back(c);
  }
  return normal.empty() ? "0" : normal;
}

std::optional<std::string> parse_integer(TextView text) {
  text = strip(text);
  const bool negative = text.starts_with(U'-');
  if (negative || text.starts_with(U'+')) text.remove_prefix(1);
  Text digits;
  bool after_digit = false;
  for (const char32_t c : text) {
    const bool is_digit = decimal_value(c) >= 0;
    if (!is_digit && (c != U'_' || !after_digit)) return {};
    if (is_digit) digits.push_back(c);
    after_digit = is_digit;
  }
  if (!after_digit || digits.size() > kMaxIntegerDigits) return {};
  const std::string normal = normal_integer(digits);
  return negative && normal != "0" ? "-" + normal : normal;
}

std::optional<std::string> integer_of(const nlohmann::json& value) {
  if (value.is_boolean()) return value.get<bool>() ? "1" : "0";
  if (value.is_number_unsigned()) return std::to_string(value.get<uint64_t>());
  if (value.is_number_integer()) return std::to_string(value.get<int64_t>());
  if (!value.is_number_float()) return {};
  const double x = value.get<double>();
  if (!std::isfinite(x) || x != std::trunc(x)) return {};
  return truncated(x);
}

std::string truncated(double x) {
  std::array<char, 400> text;
  const double whole = std::trunc(x) + 0.0;  // no negative zero
  const auto [end, error] =
      std::to_chars(text.data(), text.data() + text.size(), whole, std::chars_format::fixed, 0);
  RESTKV_CHECK(error == std::errc());
  return {text.data(), end};
}

double parse_decimal(TextView text) {
  std::string ascii;
  for (const char32_t c : text)
    ascii.push_back(c == U'.' ? '.' : ascii_digit(c));
  double value = 0;
  const auto [end, error] = std::from_chars(ascii.data(), ascii.data() + ascii.size(), value);
  if (error != std::errc::result_out_of_range) return value;
  const bool below_one = normal_integer(text.substr(0, text.find(U'.'))) == "0";
  return below_one ? 0 : std::numeric_limits<double>::infinity();
}

}  // namespace restkv
