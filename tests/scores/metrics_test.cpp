// LongBench's and the needle test's metrics on strings whose scores follow from the rules by hand.
#include "scores/metrics.h"

#include <gtest/gtest.h>

#include <random>

#include "scores/sequence_match.h"

namespace restkv {
namespace {

double score(Metric metric, std::string_view prediction, std::string_view reference) {
  const Score result = metric({prediction, reference});
  EXPECT_TRUE(result.ok()) << result.error;
  return result.value;
}

double classify(std::string_view prediction, std::string_view reference,
                const std::vector<std::string>& classes) {
  return classification({prediction, reference, classes}).value;
}

TEST(QaF1, NormalForm) {
  EXPECT_EQ(score(qa_f1, "The Cat!", "a cat"), 1);
  EXPECT_EQ(score(qa_f1, "and/or", "andor"), 1);   // punctuation goes without a gap
  EXPECT_EQ(score(qa_f1, "t-h-e cat", "cat"), 1);  // articles are seen behind that
  EXPECT_EQ(score(qa_f1, "\xCE\xA3\xCE\xAF\xCF\x83\xCF\x85\xCF\x86\xCE\xBF\xCF\x82",
                  "\xCE\xA3\xCE\x8A\xCE\xA3\xCE\xA5\xCE\xA6\xCE\x9F\xCE\xA3"),
            1);  // a Greek word in capitals: its last sigma is a final one
  EXPECT_EQ(score(qa_f1, "the\xCC\x81", "\xCC\x81"), 1);  // \b does not see the accent
  EXPECT_EQ(score(qa_f1, "cat cat dog", "cat dog dog"), 2.0 / 3);
}

TEST(QaF1, NothingSharedIsNothing) {
  for (const auto& [prediction, reference] :
       {std::pair{"", ""}, {"the", "a"}, {"", "x"}, {"x", ""}, {"x", "y"}})
    EXPECT_EQ(score(qa_f1, prediction, reference), 0);
}

TEST(RougeL, DistinctWordsOfAllSentences) {
  EXPECT_NEAR(score(rouge_l, "one. two. three.", "three. two. one."), 1, 1e-7);
  EXPECT_EQ(score(rouge_l, "a b", "c d"), 0);
  EXPECT_NEAR(score(rouge_l, "a a a", "a"), 1, 1e-7);
  EXPECT_EQ(score(rouge_l, "A", "a"), 0);  // case is kept
  EXPECT_EQ(score(rouge_l, "...", "a"), 0);
  EXPECT_EQ(score(rouge_l, "a", ""), 0);
  EXPECT_NEAR(score(rouge_l, " ", " "), 1, 1e-7);  // an empty word on both sides
}

TEST(Classification, TheTermBehindADeletedOneIsSkipped) {
  const std::vector<std::string> classes = {"news", "world", "sports", "sports news"};
  EXPECT_EQ(classify("sports news", "sports news", {"sports news"}), 1);
  // news goes, so sports moves up and is never looked at.
  EXPECT_EQ(classify("sports news", "sports news", {"news", "sports", "sports news"}), 0.5);
  EXPECT_EQ(classify("sports news", "sports news", {"news", "x", "sports news"}), 1);
  EXPECT_EQ(classify("art", "sports", classes), 0);
  EXPECT_EQ(classify("sports", "sports", {}), 0);
  EXPECT_EQ(classify("SPORTS", "sports", classes), 0);
}

TEST(Classification, OfEqualTermsTheFirstGoes) {
  EXPECT_EQ(classify("ab", "ab", {"a", "ab", "a"}), 1);
}

TEST(Numbers, ShareOfTheRightOne) {
  EXPECT_EQ(score(retrieval, "Paragraph 7, 12 and 7", "Paragraph 7"), 2.0 / 3);
  EXPECT_EQ(score(retrieval, "07", "Paragraph 7"), 0);
  EXPECT_EQ(score(retrieval, "none", "Paragraph 7"), 0);
  EXPECT_EQ(score(retrieval, "7", "Paragraph x, Paragraph 7"), 1);
  EXPECT_EQ(score(retrieval, "\xEF\xBC\x97", "Paragraph \xEF\xBC\x97"), 1);  // full-width
  EXPECT_EQ(retrieval({"7", "Section 7"}).error, "IndexError");
  EXPECT_EQ(score(count, "5-6", "6"), 0.5);
  EXPECT_EQ(score(count, "", ""), 0);
}

TEST(CodeSim, TakesTheFirstLineOfCode) {
  EXPECT_EQ(score(code_sim, "\n\n# note\nreturn 1\nx", "return 1"), 1);
  EXPECT_EQ(score(code_sim, "u = 'http://a'\nreturn 1", "return 1"), 1);
  EXPECT_EQ(score(code_sim, "```\n\nreturn 1", ""), 1);  // a blank line is a line
  EXPECT_EQ(score(code_sim, "# only", "x"), 0);
  EXPECT_EQ(score(code_sim, "# only", ""), 1);
}

TEST(CodeSim, TheTwoFormsDifferOnMovedText) {
  EXPECT_EQ(score(code_sim, "ab cd", "cd ab"), 0.4);
  // The longest block is XYZ, the longest subsequence abcd.
  EXPECT_EQ(score(code_sim, "abcdXYZ", "XYZaXbYcZd"), 0.35);
  EXPECT_EQ(score(code_sim_levenshtein, "abcdXYZ", "XYZaXbYcZd"), 0.47);
  EXPECT_EQ(score(code_sim,
                  "\xF0\x9F\x98\x80"
                  "a",
                  "\xF0\x9F\x98\x80"
                  "b"),
            0.5);
}

TEST(CodeSim, FrequentCharactersStartNoBlockInLongAnswers) {
  const Text line(200, U'x');
  EXPECT_EQ(difflib_matches(U"a" + line, line), 0);
  EXPECT_EQ(difflib_matches(line, line + U"a"),
            200);  // the two beginnings are compared all the same
  EXPECT_EQ(difflib_matches(Text(199, U'x') + U"q", Text(199, U'x') + U"q"), 200);  // q starts it
  EXPECT_EQ(difflib_matches(line, Text(199, U'x')), 199);  // a short answer has none
}

TEST(CodeSim, MatchesAreACommonSubsequence) {
  std::mt19937 random(1);
  for (int i = 0; i < 500; ++i) {
    Text a(random() % 40, U'a'), b(random() % 250, U'a');
    for (Text* text : {&a, &b}) {
      for (char32_t& c : *text)
        c = U'a' + random() % 6;
    }
    EXPECT_LE(difflib_matches(a, b), common_subsequence(a, b));
    EXPECT_EQ(common_subsequence(a, b), common_subsequence(b, a));
    EXPECT_EQ(common_subsequence(a, a), a.size());
  }
}

TEST(Needle, CountsStems) {
  EXPECT_EQ(score(niah_rouge_1, "He was eating sandwiches", "he was eat sandwich"), 10);
  EXPECT_EQ(score(niah_rouge_1, "", "eat"), 0);
  EXPECT_EQ(score(niah_rouge_1, "a a a a", "a b"), 10 * (2 * 0.25 * 0.5 / 0.75));
  EXPECT_EQ(score(niah_rouge_1, "\xE2\x84\xAA", "k"), 10);  // the Kelvin sign's lower case
  EXPECT_EQ(score(niah_heatmap, "Sunny day", "a sunny day."), 1.0 / 3);
  EXPECT_EQ(niah_heatmap({"x", " "}).error, "ZeroDivisionError");
}

TEST(Registry, EveryNameIsFound) {
  for (const std::string_view name : metric_names())
    EXPECT_TRUE(find_metric(name).ok()) << name;
  const auto unknown = find_metric("bleu");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.status().kind(), ErrorKind::usage);
  EXPECT_NE(unknown.status().message().find("\"bleu\""), std::string::npos);
}

TEST(BestScore, IsTheMaximumAndNeverBelowZero) {
  const std::vector<std::string> references = {"x", "cat", "cat dog"};
  EXPECT_EQ(best_score(qa_f1, "cat", references, {}).value, 1);
  EXPECT_EQ(best_score(qa_f1, "cat", {}, {}).value, 0);
  const std::vector<std::string> bad = {"Paragraph 7", "none"};
  EXPECT_EQ(best_score(retrieval, "7", bad, {}).error, "IndexError");
}

// Any bytes at all give a number from 0 to 1.
TEST(Metrics, RandomBytesDoNoHarm) {
  std::mt19937 random(7);
  const std::string_view some = "ab .\n7#/`\xC3\xA9\xE2\xF0\x9F\xFF\x80";
  for (int i = 0; i < 2000; ++i) {
    std::string prediction(random() % 30, ' '), reference(random() % 30, ' ');
    for (std::string* text : {&prediction, &reference}) {
      for (char& c : *text)
        c = some[random() % some.size()];
    }
    for (const Metric metric : {qa_f1, rouge_l, count, code_sim, code_sim_levenshtein}) {
      const double value = score(metric, prediction, reference);
      EXPECT_TRUE(value >= 0 && value <= 1) << value;
    }
    EXPECT_LE(niah_rouge_1({prediction, reference}).value, 10);
  }
}

}  // namespace
}  // namespace restkv
