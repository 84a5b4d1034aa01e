#include "scores/text.h"

#include <gtest/gtest.h>

namespace restkv {
namespace {

TEST(Text, IllFormedBytesBecomeOneMarkForEachMaximalPart) {
  EXPECT_EQ(decode_utf8("a\xC3\xA9\xF0\x9F\x98\x80"), U"a\u00e9\U0001F600");
  EXPECT_EQ(decode_utf8("\xFF\xFE"), U"\uFFFD\uFFFD");
  EXPECT_EQ(decode_utf8("\xE2\x82 x"), U"\uFFFD x");              // cut short: one
  EXPECT_EQ(decode_utf8("\xED\xA0\x80"), U"\uFFFD\uFFFD\uFFFD");  // a surrogate: one a byte
  EXPECT_EQ(decode_utf8("\xC0\x80"), U"\uFFFD\uFFFD");            // overlong
  EXPECT_EQ(decode_utf8("\xF4\x90\x80\x80"), U"\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(decode_utf8(std::string_view("\0x", 2)), TextView(U"\0x", 2));
}

TEST(Text, EncodingGivesBackWhatWasDecoded) {
  const std::string text = "na\xC3\xAFve \xE6\x9D\xB1\xE4\xBA\xAC \xF0\x9F\x98\x80";
  EXPECT_EQ(encode_utf8(decode_utf8(text)), text);
}

TEST(Text, CaseFollowsPython) {
  EXPECT_EQ(lower(U"ΣΊΣΥΦΟΣ"), U"σίσυφος");
  EXPECT_EQ(lower(U"İ"), U"i\u0307");
  EXPECT_EQ(lower(U"\u212A"), U"k");  // the Kelvin sign
  EXPECT_EQ(upper(U"straße"), U"STRASSE");
  EXPECT_EQ(lower(U"\U00010400"), U"\U00010428");
}

TEST(Text, WhiteSpaceIsPythons) {
  for (const char32_t c :
       {U'\t', U'\x0b', U'\x1c', U'\x1f', U'\x85', U'\u00a0', U'\u2003', U'\u2028', U'\u3000'})
    EXPECT_TRUE(is_space(c)) << static_cast<uint32_t>(c);
  for (const char32_t c : {U'\u200b', U'\ufeff', U'a', U'\0'})
    EXPECT_FALSE(is_space(c)) << static_cast<uint32_t>(c);
  EXPECT_EQ(split_words(U"\u3000a \x1c b\u00a0"), (std::vector<TextView>{U"a", U"b"}));
  EXPECT_EQ(strip(U"\u2003 x\n"), U"x");
  EXPECT_EQ(strip(U" \n"), U"");
}

TEST(Text, WordsAndDigitsAreUnicodes) {
  EXPECT_TRUE(is_word(U'é') && is_word(U'東') && is_word(U'½') && is_word(U'_'));
  EXPECT_FALSE(is_word(U'\u0301') || is_word(U'-') || is_word(U'。'));
  EXPECT_EQ(decimal_value(U'7'), 7);
  EXPECT_EQ(decimal_value(U'\uFF11'), 1);
  EXPECT_EQ(decimal_value(U'²'), -1);
  EXPECT_EQ(decimal_value(U'½'), -1);
}

TEST(Text, SplittingKeepsEmptyPieces) {
  EXPECT_EQ(split_at(U".a..b", U'.'), (std::vector<TextView>{U"", U"a", U"", U"b"}));
  EXPECT_EQ(split_at(U"", U'.'), (std::vector<TextView>{U""}));
}

TEST(Text, ReplacingGoesOnBehindWhatItPut) {
  EXPECT_EQ(replace_all(U"aaa", U"aa", U"a"), U"aa");
  EXPECT_EQ(blank_out(U"Then To", {U"The", U"To"}), U" n  ");
  EXPECT_EQ(squeeze_spaces(U"  a   b "), U" a b ");
}

}  // namespace
}  // namespace restkv
