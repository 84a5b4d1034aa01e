#include "scores/integers.h"

#include <gtest/gtest.h>

#include <cmath>

namespace restkv {
namespace {

TEST(Integers, AreReadAsPythonDoes) {
  for (const auto& [text, value] : std::initializer_list<std::pair<TextView, const char*>>{
           {U"12", "12"},
           {U" 007\n", "7"},
           {U"-0", "0"},
           {U"+4", "4"},
           {U"1_000", "1000"},
           {U"-\u0663", "-3"},
           {U"000", "0"},
           {U"123456789012345678901234567890", "123456789012345678901234567890"}})
    EXPECT_EQ(parse_integer(text), value);
  for (const TextView text : {U"", U"-", U"1__0", U"_1", U"1_", U"4.0", U"- 4", U"\u00b2", U"x"})
    EXPECT_FALSE(parse_integer(text).has_value());
  EXPECT_TRUE(parse_integer(Text(kMaxIntegerDigits, U'9')).has_value());
  EXPECT_FALSE(parse_integer(Text(kMaxIntegerDigits + 1, U'9')).has_value());
}

TEST(Integers, OfLabels) {
  EXPECT_EQ(integer_of(4.0), "4");
  EXPECT_EQ(integer_of(-0.0), "0");
  EXPECT_EQ(integer_of(true), "1");
  EXPECT_EQ(integer_of(-21), "-21");
  EXPECT_FALSE(integer_of(4.5).has_value());
  EXPECT_FALSE(integer_of("4").has_value());
}

TEST(Integers, Decimals) {
  EXPECT_EQ(parse_decimal(U"3.14"), 3.14);
  EXPECT_EQ(parse_decimal(U"\uFF13.\uFF15"), 3.5);
  EXPECT_TRUE(std::isinf(parse_decimal(Text(400, U'9'))));
  EXPECT_EQ(parse_decimal(U"0." + Text(400, U'0') + U"1"), 0);
  EXPECT_EQ(truncated(88.7), "88");
  EXPECT_EQ(truncated(-0.5), "0");
}

}  // namespace
}  // namespace restkv
