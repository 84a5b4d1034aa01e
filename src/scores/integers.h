// Whole numbers of any length, as Python has them, in one normal form of decimal digits: "-12",
// "0".
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "scores/text.h"

namespace restkv {

// Python refuses to read an integer of more digits (ValueError).
inline constexpr size_t kMaxIntegerDigits = 4300;

// REQUIRES: digits are decimal digits of any script.
std::string normal_integer(TextView digits);
// int(text) of Python: white space around it, a sign, single underscores between digits. Nothing
// where Python raises.
std::optional<std::string> parse_integer(TextView text);
// The integer that a JSON number or truth value equals in Python: 4.0 and true have one. Nothing:
// there is none.
std::optional<std::string> integer_of(const nlohmann::json& value);
// int(x). REQUIRES: x is finite.
std::string truncated(double x);
// float(text), infinity where it is too large. REQUIRES: digits, or digits, a point and digits.
double parse_decimal(TextView text);

}  // namespace restkv
