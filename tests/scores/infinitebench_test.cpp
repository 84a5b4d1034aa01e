#include "scores/infinitebench.h"

#include <gtest/gtest.h>

#include <random>

namespace restkv {
namespace {

constexpr auto kOfficial = InfiniteBenchForm::official;
constexpr auto kReference = InfiniteBenchForm::reference;

Score run(std::string_view task, std::string_view prediction, const Label& label,
          InfiniteBenchForm form = kReference) {
  return (*find_infinitebench_task(task))->metric({prediction, label, form});
}

// Both forms alike.
double both(std::string_view task, std::string_view prediction, const Label& label) {
  const Score official = run(task, prediction, label, kOfficial);
  const Score reference = run(task, prediction, label, kReference);
  EXPECT_TRUE(official.ok() && reference.ok());
  EXPECT_EQ(official.value, reference.value);
  return reference.value;
}

TEST(InfiniteBench, TwelveTasksOfWhichThePaperCountsTen) {
  int n_in_paper = 0;
  for (const InfiniteBenchTask& task : infinitebench_tasks())
    n_in_paper += task.in_paper;
  EXPECT_EQ(infinitebench_tasks().size(), 12u);
  EXPECT_EQ(n_in_paper, 10);
  EXPECT_EQ(find_infinitebench_task("retrieve").status().kind(), ErrorKind::usage);
}

TEST(InfiniteBench, NumbersAreComparedAsStrings) {
  EXPECT_EQ(both("passkey", "It is 12345, not 6", "12345"), 1);
  EXPECT_EQ(both("passkey", "012345", "12345"), 0);
  EXPECT_EQ(both("passkey", "12345", 12345), 0);
  EXPECT_EQ(both("number_string", "12345", Label{"12345"}), 1);
  EXPECT_EQ(both("passkey", "\xEF\xBC\x91", "\xEF\xBC\x91"), 0);  // ASCII digits only
  EXPECT_EQ(run("passkey", "1", Label::array()).error, "IndexError");
}

TEST(InfiniteBench, KvRetrieval) {
  EXPECT_EQ(both("kv_retrieval", "{\"k\": \"ab-cd\"}", "ab-cd"), 1);
  EXPECT_EQ(run("kv_retrieval", "ab", Label{"ab"}, kReference).value, 1);
  EXPECT_EQ(run("kv_retrieval", "ab", Label{"ab"}, kOfficial).value, 0);
  EXPECT_EQ(run("kv_retrieval", "ab</s>", "ab", kReference).value, 1);
  EXPECT_EQ(run("kv_retrieval", "ab</s>", "ab", kOfficial).value, 0);
}

TEST(InfiniteBench, EnglishChoice) {
  const Label label = {"Walking Georgie", "A"};
  EXPECT_EQ(both("longbook_choice_eng", "Apple", label), 1);
  EXPECT_EQ(both("longbook_choice_eng", "Both", label), 0);
  EXPECT_EQ(both("longbook_choice_eng", " \n", label), 0);
  EXPECT_EQ(both("longbook_choice_eng", "Walking Georgie", label), 1);
  EXPECT_EQ(both("longbook_choice_eng", "The answer is: Walking Georgie", label), 1);
  EXPECT_EQ(both("longbook_choice_eng", "The answer is", label), 0);
  EXPECT_EQ(both("longbook_choice_eng", "I say A", label), 1);
  EXPECT_EQ(both("longbook_choice_eng", "I say BC or A", label), 0);
  EXPECT_EQ(run("longbook_choice_eng", "x", 5).error, "TypeError");
}

TEST(InfiniteBench, CodeDebug) {
  const Label label = {"cmd_gen", "C"};
  EXPECT_EQ(both("code_debug", "C. cmd_gen", label), 1);
  EXPECT_EQ(both("code_debug", "C", label), 0);  // the letter alone
  EXPECT_EQ(both("code_debug", "the answer is: cmd_gen", label), 1);
  EXPECT_EQ(both("code_debug", "The correct option is: D", label), 0);
  EXPECT_EQ(run("code_debug", "C cmd", label, kReference).value, 1);
  EXPECT_EQ(run("code_debug", "C cmd", label, kOfficial).value, 0);
  EXPECT_EQ(run("code_debug", "C", Label{"cmd_gen"}).error, "IndexError");
}

TEST(InfiniteBench, CodeRunTakesTheLastWord) {
  EXPECT_EQ(both("code_run", "the value is -21", -21), 1);
  EXPECT_EQ(both("code_run", "4.0", 0), 1);  // the point is blanked out
  EXPECT_EQ(both("code_run", "4 or so", 4), 0);
  EXPECT_EQ(both("code_run", "", 4), 0);
  EXPECT_EQ(both("code_run", "4", Label{4}), 1);
  EXPECT_EQ(both("code_run", "4", "4"), 0);
}

TEST(InfiniteBench, MathFind) {
  EXPECT_EQ(run("math_find", "88.7", 88, kReference).value, 1);
  EXPECT_EQ(run("math_find", "88.7", 88, kOfficial).error, "ValueError");
  EXPECT_EQ(both("math_find", "3.14.15", 3.14), 1);
  EXPECT_EQ(both("math_find", "none", 3), 0);
  EXPECT_EQ(run("math_find", std::string(400, '9'), 3, kReference).error, "OverflowError");
  EXPECT_EQ(run("math_find", "none", "3").error, "TypeError");
}

TEST(InfiniteBench, MathCalcStopsAtTheFirstWrongValue) {
  EXPECT_EQ(both("math_calc", "1, 2, 9, 4", {1, 2, 3, 4}), 0.5);
  EXPECT_EQ(both("math_calc", "1 2 3 4 5", {1, 2, 3, 4}), 1);
  EXPECT_EQ(both("math_calc", "", {1}), 0);
  EXPECT_EQ(run("math_calc", "1", 1).error, "AssertionError");
  EXPECT_EQ(run("math_calc", "1", Label::array(), kOfficial).error, "IndexError");
  EXPECT_EQ(run("math_calc", "1", Label::array(), kReference).error, "ZeroDivisionError");
  const Label nested = Label::array({Label::array({1, 2})});
  EXPECT_EQ(run("math_calc", "1 2", nested, kOfficial).value, 1);
  EXPECT_EQ(run("math_calc", "1 2", nested, kReference).value, 0);
}

TEST(InfiniteBench, Texts) {
  EXPECT_EQ(both("longdialogue_qa_eng", "it is Bloom.", {"BLOOM", "LEO BLOOM"}), 1);
  EXPECT_EQ(both("longdialogue_qa_eng", "Leo Bloom", {"LEO BLOOM"}), 0);
  EXPECT_EQ(both("longbook_qa_eng", "the Forest", {"x", "forest"}), 1);
  EXPECT_EQ(run("longbook_qa_eng", "x", {3}).error, "AttributeError");
  EXPECT_EQ(run("longbook_qa_eng", "x", 3).error, "TypeError");
  EXPECT_EQ(both("longbook_qa_chn", "\xE8\x83\xA1\xE3\x80\x82 \xE4\xB8\x80",
                 {"\xE8\x83\xA1\xE4\xB8\x80"}),
            1);
  EXPECT_EQ(both("longbook_sum_eng", "a b c d e", "e d c b a"), 0.20000000000000004);
  EXPECT_EQ(both("longbook_sum_eng", "", ""), 0);
}

TEST(InfiniteBench, ChoiceLabels) {
  const Label options = {"one", "two", "three"};
  EXPECT_EQ(infinitebench_choice_label("two", options), (Label{"two", "B"}));
  EXPECT_EQ(infinitebench_choice_label(Label{"three"}, options), (Label{"three", "C"}));
  EXPECT_EQ(infinitebench_choice_label(Label{"x", "D"}, options), (Label{"x", "D"}));
  EXPECT_FALSE(infinitebench_choice_label("four", options).has_value());
  EXPECT_FALSE(infinitebench_choice_label(4, nullptr).has_value());
}

// Whatever a file holds as prediction and label, there is a score or the name of an exception.
TEST(InfiniteBench, AnyLabelGivesAnAnswer) {
  std::mt19937 random(3);
  const std::vector<Label> labels = {nullptr,
                                     true,
                                     5,
                                     -1.5,
                                     "",
                                     "A",
                                     "12",
                                     {},
                                     Label::array(),
                                     {1, "A"},
                                     {"A", nullptr},
                                     {{"A"}},
                                     {{"k", 1}, {"l", 2}},
                                     Label::object()};
  const std::string_view some = "A. 12is:\xFF\xC3\xA9\n";
  for (int i = 0; i < 3000; ++i) {
    std::string prediction(random() % 12, ' ');
    for (char& c : prediction)
      c = some[random() % some.size()];
    for (const InfiniteBenchTask& task : infinitebench_tasks()) {
      const Score score = task.metric(
          {prediction, labels[random() % labels.size()], i % 2 == 0 ? kOfficial : kReference});
      EXPECT_TRUE(!score.ok() || (score.value >= 0 && score.value <= 1));
    }
  }
}

}  // namespace
}  // namespace restkv
