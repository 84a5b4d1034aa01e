#include "scores/text.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include "core/check.h"

namespace restkv {
namespace {

icu::UnicodeString to_icu(TextView text) {
  icu::UnicodeString s(static_cast<int32_t>(text.size()), UChar32{0}, 0);
  for (const char32_t c : text)
    s.append(static_cast<UChar32>(c));
  return s;
}

Text from_icu(const icu::UnicodeString& s) {
  Text text;
  text.reserve(static_cast<size_t>(s.length()));
  for (int32_t i = 0; i < s.length(); i = s.moveIndex32(i, 1))
    text.push_back(static_cast<char32_t>(s.char32At(i)));
  return text;
}

}  // namespace

Text decode_utf8(std::string_view utf8) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(utf8.data());
  Text text;
  text.reserve(utf8.size());
  for (size_t i = 0; i < utf8.size();) {
    UChar32 c = 0;
    U8_NEXT_OR_FFFD(bytes, i, utf8.size(), c);
    text.push_back(static_cast<char32_t>(c));
  }
  return text;
}

std::string encode_utf8(TextView text) {
  std::string utf8;
  utf8.reserve(text.size());
  for (const char32_t c : text) {
    char bytes[U8_MAX_LENGTH];
    int32_t n = 0;
    U8_APPEND_UNSAFE(bytes, n, static_cast<UChar32>(c));
    utf8.append(bytes, static_cast<size_t>(n));
  }
  return utf8;
}

Text lower(TextView text) {
  return from_icu(to_icu(text).toLower(icu::Locale::getRoot()));
}

Text upper(TextView text) {
  return from_icu(to_icu(text).toUpper(icu::Locale::getRoot()));
}

bool is_space(char32_t c) {
  if (c < 0x80) return c == U' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
  const auto point = static_cast<UChar32>(c);
  const UCharDirection direction = u_charDirection(point);
  return u_charType(point) == U_SPACE_SEPARATOR || direction == U_WHITE_SPACE_NEUTRAL ||
         direction == U_BLOCK_SEPARATOR || direction == U_SEGMENT_SEPARATOR;
}

bool is_word(char32_t c) {
  const auto point = static_cast<UChar32>(c);
  return c == U'_' || u_isalpha(point) != 0 ||
         u_getIntPropertyValue(point, UCHAR_NUMERIC_TYPE) != U_NT_NONE;
}

int decimal_value(char32_t c) {
  return u_charDigitValue(static_cast<UChar32>(c));
}

bool is_ascii_punctuation(char32_t c) {
  return (c >= U'!' && c <= U'/') || (c >= U':' && c <= U'@') || (c >= U'[' && c <= U'`') ||
         (c >= U'{' && c <= U'~');
}

TextView strip(TextView text) {
  while (!text.empty() && is_space(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_space(text.back()))
    text.remove_suffix(1);
  return text;
}

TextView strip_leading_newlines(TextView text) {
  while (!text.empty() && text.front() == U'\n')
    text.remove_prefix(1);
  return text;
}

std::vector<TextView> split_words(TextView text) {
  return find_runs(text, [](char32_t c) { return !is_space(c); });
}

std::vector<TextView> split_at(TextView text, char32_t separator) {
  std::vector<TextView> pieces;
  for (size_t end = text.find(separator); end != TextView::npos; end = text.find(separator)) {
    pieces.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  pieces.push_back(text);
  return pieces;
}

Text replace_all(TextView text, TextView from, TextView to) {
  RESTKV_CHECK(!from.empty());
  Text replaced;
  for (size_t at = text.find(from); at != TextView::npos; at = text.find(from)) {
    replaced.append(text.substr(0, at)).append(to);
    text.remove_prefix(at + from.size());
  }
  return replaced.append(text);
}

Text blank_out(TextView text, const std::vector<TextView>& blanked) {
  Text result(text);
  for (const TextView part : blanked)
    result = replace_all(result, part, U" ");
  return result;
}

Text squeeze_spaces(TextView text) {
  Text squeezed;
  for (const char32_t c : text) {
    if (c != U' ' || squeezed.empty() || squeezed.back() != U' ') squeezed.push_back(c);
  }
  return squeezed;
}

}  // namespace restkv
