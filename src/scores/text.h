// Strings as Python sees them: sequences of Unicode code points, with str's methods. Character
// properties and case mappings are ICU's. Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace restkv {

using Text = std::u32string;
using TextView = std::u32string_view;

// Ill-formed bytes become U+FFFD, one for each maximal part of a sequence, as with Python's
// errors="replace".
Text decode_utf8(std::string_view utf8);
std::string encode_utf8(TextView text);

// str.lower(), str.upper(): full mappings, among them final sigma and the sharp s.
Text lower(TextView text);
Text upper(TextView text);

bool is_space(char32_t c);      // str.isspace(): what str.split() and str.strip() take away
bool is_word(char32_t c);       // \w of Python's re
int decimal_value(char32_t c);  // 0..9 where \d of Python's re matches, else -1
inline bool is_ascii_digit(char32_t c) {
  return c >= U'0' && c <= U'9';
}
bool is_ascii_punctuation(char32_t c);  // string.punctuation

TextView strip(TextView text);
TextView strip_leading_newlines(TextView text);  // only '\n'
// str.split(): the runs of what is not white space.
std::vector<TextView> split_words(TextView text);
// str.split(separator): n separators give n + 1 pieces, empty ones included.
std::vector<TextView> split_at(TextView text, char32_t separator);

// str.replace(from, to). REQUIRES: from is not empty.
Text replace_all(TextView text, TextView from, TextView to);
// The text with each of `blanked` replaced by a space, one after the other in their order.
Text blank_out(TextView text, const std::vector<TextView>& blanked);
// Runs of the space U+0020 become one.
Text squeeze_spaces(TextView text);

// Runs of characters that satisfy `belongs`, in order.
template <typename Belongs>
std::vector<TextView> find_runs(TextView text, Belongs belongs) {
  std::vector<TextView> runs;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && belongs(text[end]))
      ++end;
    if (end > i) runs.push_back(text.substr(i, end - i));
    i = end > i ? end : i + 1;
  }
  return runs;
}

}  // namespace restkv
