#include "scores/ruler.h"

#include <gtest/gtest.h>

namespace restkv {
namespace {

using Lists = std::vector<std::vector<std::string>>;

double score(StringMatch match, const std::vector<std::string>& predictions,
             const Lists& references, bool clean = true) {
  const Score result = ruler_score(match, predictions, references, clean);
  EXPECT_TRUE(result.ok()) << result.error;
  return result.value;
}

TEST(Ruler, ThirteenTasks) {
  EXPECT_EQ(ruler_tasks().size(), 13u);
  EXPECT_EQ((*find_ruler_task("qa_1"))->match, StringMatch::part);
  EXPECT_EQ((*find_ruler_task("vt"))->match, StringMatch::all);
  EXPECT_EQ(find_ruler_task("niah").status().kind(), ErrorKind::usage);
}

TEST(Ruler, ShareFoundAndAnyFound) {
  const Lists references = {{"cat", "dog", "cow"}, {"x"}};
  EXPECT_EQ(score(StringMatch::all, {"CAT, Dog", "y"}, references), 33.33);
  EXPECT_EQ(score(StringMatch::part, {"CAT, Dog", "y"}, references), 50);
  EXPECT_EQ(score(StringMatch::all, {"48217340"}, {{"4821734"}}), 100);  // a part of a number
}

TEST(Ruler, CleaningTurnsControlCharactersIntoNewlines) {
  EXPECT_EQ(ruler_clean(std::string_view(" a\0b\x1f ", 6)), "a\nb");
  EXPECT_EQ(score(StringMatch::part, {"line\r\nnext"}, {{"line\n\nnext"}}), 100);
  EXPECT_EQ(score(StringMatch::part, {"line\r\nnext"}, {{"line\n\nnext"}}, false), 0);
}

TEST(Ruler, WhatPythonCannotDivide) {
  const std::vector<std::string> one = {"x"};
  const Lists none = {{}};
  EXPECT_EQ(ruler_score(StringMatch::all, {}, {}, true).error, "ZeroDivisionError");
  EXPECT_EQ(ruler_score(StringMatch::all, one, none, true).error, "ZeroDivisionError");
  EXPECT_EQ(ruler_score(StringMatch::part, one, none, true).error, "ValueError");
}

}  // namespace
}  // namespace restkv
