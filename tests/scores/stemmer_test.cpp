#include "scores/porter_stemmer.h"

#include <gtest/gtest.h>

namespace restkv {
namespace {

TEST(PorterStemmer, StepsOfThePaper) {
  for (const auto& [word, stem] : std::initializer_list<std::pair<const char*, const char*>>{
           {"caresses", "caress"},     {"ponies", "poni"},         {"cats", "cat"},
           {"agreed", "agre"},         {"plastered", "plaster"},   {"bled", "bled"},
           {"motoring", "motor"},      {"sing", "sing"},           {"conflated", "conflat"},
           {"hopping", "hop"},         {"falling", "fall"},        {"filing", "file"},
           {"relational", "relat"},    {"conditional", "condit"},  {"vietnamization", "vietnam"},
           {"hopefulness", "hope"},    {"sensibiliti", "sensibl"}, {"triplicate", "triplic"},
           {"goodness", "good"},       {"adoption", "adopt"},      {"replacement", "replac"},
           {"controlling", "control"}, {"rate", "rate"},           {"cease", "ceas"}})
    EXPECT_EQ(porter_stem(word), stem) << word;
}

TEST(PorterStemmer, ExtensionsOfNltk) {
  for (const auto& [word, stem] :
       std::initializer_list<std::pair<const char*, const char*>>{{"dies", "die"},
                                                                  {"died", "die"},
                                                                  {"flies", "fli"},
                                                                  {"spied", "spi"},
                                                                  {"happy", "happi"},
                                                                  {"enjoy", "enjoy"},
                                                                  {"by", "by"},
                                                                  {"dying", "die"},
                                                                  {"skies", "sky"},
                                                                  {"news", "news"},
                                                                  {"innings", "inning"},
                                                                  {"proceed", "proceed"},
                                                                  {"biology", "biolog"},
                                                                  {"hopefully", "hope"},
                                                                  {"is", "is"},
                                                                  {"owed", "owe"}})
    EXPECT_EQ(porter_stem(word), stem) << word;
}

TEST(PorterStemmer, LongAndOddWords) {
  EXPECT_EQ(porter_stem(""), "");
  EXPECT_EQ(porter_stem("2019"), "2019");
  const std::string ys(5000, 'y');
  EXPECT_LE(porter_stem(ys + "ing").size(), ys.size() + 3);
}

}  // namespace
}  // namespace restkv
