// Haystacks and word lists from files.
#include <gtest/gtest.h>

#include <algorithm>

#include "tasks/draw.h"
#include "tasks/haystack.h"
#include "tasks/word_lists.h"
#include "tests/tasks/inputs.h"

namespace restkv {
namespace {

TEST(HaystackText, WordsAndSentences) {
  const auto haystack = *Haystack::from_text("  One (two!)  three\n\tfour.\" 3.5 five", "a test");
  ASSERT_EQ(haystack.n_word(), 6);
  EXPECT_EQ(haystack.word(1), "(two!)");
  EXPECT_EQ(haystack.word(7), "(two!)");  // repeated
  const std::vector<bool> ends = {false, true, false, true, false, false, false, true};
  for (size_t i = 0; i < ends.size(); ++i)
    EXPECT_EQ(haystack.ends_sentence(static_cast<int64_t>(i)), ends[i]) << i;
}

TEST(HaystackText, FoldersInTheOrderOfNames) {
  const TemporaryFolder folder;
  folder.write("b.txt", "second");
  folder.write("a.txt", "first");
  folder.write("c.md", "not read");
  const auto haystack = *Haystack::load(folder.path());
  EXPECT_EQ(haystack.text(), "first\nsecond");
  EXPECT_EQ(haystack.source(), folder.path());
}

TEST(HaystackText, WhatCannotBe) {
  const TemporaryFolder folder;
  expect_error(Haystack::load(folder.path()).status(), ErrorKind::model, "no *.txt");
  expect_error(Haystack::load(folder.write("e.txt", " \n")).status(), ErrorKind::model, "no words");
  expect_error(Haystack::load(folder.write("e.txt", "\xff")).status(), ErrorKind::model,
               "not valid UTF-8");
  expect_error(Haystack::load("/nowhere.txt").status(), ErrorKind::model, "/nowhere.txt");
}

std::string lines_of(const std::vector<std::string>& words) {
  std::string lines;
  for (const std::string& word : words)
    lines += word + "\n";
  return lines;
}

TEST(WordListFiles, RepeatsAndPhrasesAreLeftOut) {
  const TemporaryFolder folder;
  const auto words = made_up_words(120, 7);
  folder.write("nouns.txt", "Zebra\r\nzebra\nice cream\n" + lines_of(words));
  folder.write("adjectives.txt", lines_of(words));
  folder.write("verbs.txt", "sing\n" + lines_of(words));
  const auto lists = load_word_lists(folder.path());
  ASSERT_TRUE(lists.ok()) << lists.status().message();
  EXPECT_EQ(lists->nouns.size(), 121u);
  EXPECT_EQ(lists->nouns[0], "Zebra");
  EXPECT_EQ(lists->source, folder.path());
  EXPECT_EQ(all_words(*lists).size(), 122u);
}

TEST(WordListFiles, WordNetsIndexFiles) {
  const TemporaryFolder folder;
  std::string used;
  for (const std::string& word : made_up_words(100, 8))
    used += word + " n 2 1 @ 2 1 00000001 00000002  \n";
  const std::string index =
      "  1 This is the licence, a line of which begins with blanks  \n"
      "abbey n 3 2 @ #m 3 2 00000001 00000002 00000003  \n"
      "rare n 1 1 @ 1 0 00000001  \n"
      "two_words n 1 1 @ 1 5 00000001  \n"
      "Upper n 1 1 @ 1 5 00000001  \n"
      "xi n 1 1 @ 1 5 00000001  \n"
      "cut n 1 9 @  \n" +
      used;
  for (const char* const name : {"index.noun", "index.adj", "index.verb"})
    folder.write(name, index);
  const auto lists = load_word_lists(folder.path());
  ASSERT_TRUE(lists.ok()) << lists.status().message();
  EXPECT_EQ(lists->nouns.size(), 101u);
  EXPECT_EQ(lists->nouns[0], "abbey");
}

TEST(WordListFiles, WhatCannotBe) {
  const TemporaryFolder folder;
  expect_error(load_word_lists(folder.path()).status(), ErrorKind::model, "nouns.txt");
  folder.write("nouns.txt", "one\ntwo\n");
  expect_error(load_word_lists(folder.path()).status(), ErrorKind::model, "2 different words");
}

TEST(DrawNumbers, WithinBoundsAndWithoutRepeats) {
  Draw draw(1);
  std::vector<int> counts(7);
  for (int i = 0; i < 7000; ++i)
    ++counts[static_cast<size_t>(draw.below(7))];
  for (const int n : counts)
    EXPECT_NEAR(n, 1000, 150);
  EXPECT_EQ(draw.between(3, 3), 3);
  auto numbers = draw.sample(50, 50);
  std::ranges::sort(numbers);
  for (int64_t i = 0; i < 50; ++i)
    EXPECT_EQ(numbers[static_cast<size_t>(i)], i);
  const std::string uuid = draw.uuid();
  EXPECT_EQ(uuid.size(), 36u);
  EXPECT_EQ(uuid[14], '4');
  EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos);
}

}  // namespace
}  // namespace restkv
