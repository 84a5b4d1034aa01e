// RULER's generators: what every sample must be, whatever its task.
#include "scores/ruler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "tasks/form.h"
#include "tasks/ruler_samples.h"
#include "tests/tasks/inputs.h"
#include "tests/tasks/toy_tokens.h"

namespace restkv {
namespace {

using Strings = std::vector<std::string>;

RulerSamples options_of(const std::string& task, int64_t length) {
  static const auto haystack = made_up_haystack();
  static const auto words = made_up_lists();
  RulerSamples options{.task = task, .length = length, .n = 3, .tokens = ToyTokens::tokens()};
  options.haystack = haystack;
  options.words = words;
  return options;
}

std::unique_ptr<SampleSource> source_of(const RulerSamples& options) {
  return opened(ruler_samples(options));
}

Sample sample_of(const RulerSamples& options, int64_t i) {
  const auto sample = source_of(options)->sample(i);
  EXPECT_TRUE(sample.ok()) << sample.status().message();
  return sample.ok() ? *sample : Sample();
}

Strings outputs_of(const Sample& sample) {
  return sample.fields["outputs"].get<Strings>();
}

// All that needs no file of questions.
Strings generated_tasks() {
  Strings tasks;
  for (const RulerTask& task : ruler_tasks()) {
    if (task.in_reference) tasks.emplace_back(task.name);
  }
  tasks.emplace_back(kJsonWordsTask);
  return tasks;
}

class EveryTask : public testing::TestWithParam<std::string> {};

TEST_P(EveryTask, FillsItsLength) {
  for (const int64_t length : {1024, 2048, 4096, 8192, 32768}) {
    const RulerSamples options = options_of(GetParam(), length);
    const auto source = source_of(options);
    for (int64_t i = 0; i < 2; ++i) {
      const Sample sample = *source->sample(i);
      const auto ids = options.tokens.encode(sample.prompt + sample.answer_prefix, true);
      const auto n_token = static_cast<int64_t>(ids->size()) + sample.n_new;
      EXPECT_LE(n_token, length);
      EXPECT_GE(n_token, length - length / 50) << length;
      EXPECT_EQ(sample.fields["n_token"], ids->size());
    }
  }
}

TEST_P(EveryTask, DependsOnSeedAndIndexAlone) {
  const auto source = source_of(options_of(GetParam(), 2048));
  const uint64_t second = fingerprint(*source->sample(1));
  EXPECT_NE(second, fingerprint(*source->sample(0)));
  EXPECT_EQ(second, fingerprint(*source->sample(1)));
  RulerSamples other = options_of(GetParam(), 2048);
  other.n = 2;
  EXPECT_EQ(second, fingerprint(sample_of(other, 1)));
  other.seed = 43;
  EXPECT_NE(second, fingerprint(sample_of(other, 1)));
}

TEST_P(EveryTask, LimitsFollowThePreset) {
  RulerSamples options = options_of(GetParam(), 2048);
  const int official = GetParam() == kJsonWordsTask ? kJsonWordsNewTokens
                                                    : (*find_ruler_task(GetParam()))->n_new_ruler;
  EXPECT_EQ(sample_of(options, 0).n_new, official);
  options.preset = RulerPreset::restkv;
  EXPECT_EQ(sample_of(options, 0).n_new, 64);
}

TEST_P(EveryTask, LeavesRoomForTheChatForm) {
  RulerSamples options = options_of(GetParam(), 2048);
  options.n_template = 100;
  const Sample sample = sample_of(options, 0);
  EXPECT_LE(sample.fields["n_token"].get<int64_t>() + sample.n_new, 1948);
}

INSTANTIATE_TEST_SUITE_P(Ruler, EveryTask, testing::ValuesIn(generated_tasks()),
                         [](const auto& info) { return info.param; });

TEST(RulerNeedles, EachAnswerIsThereOnce) {
  for (const std::string& task : generated_tasks()) {
    if (!task.starts_with("niah")) continue;
    const Sample sample = sample_of(options_of(task, 4096), 0);
    const bool several = task == "niah_multivalue" || task == "niah_multiquery";
    EXPECT_EQ(outputs_of(sample).size(), several ? 4u : 1u) << task;
    for (const std::string& answer : outputs_of(sample)) {
      EXPECT_EQ(count_in(sample.prompt + sample.answer_prefix, answer), 1) << task;
      EXPECT_EQ(answer.size(), task.ends_with("_3") ? 36u : 7u) << task;
    }
  }
}

TEST(RulerNeedles, NumbersOfNeedlesAndForms) {
  const std::string needle = "Among the secret";
  const auto prompt = [](const char* task) { return sample_of(options_of(task, 2048), 0).prompt; };
  EXPECT_EQ(count_in(prompt("niah_single_1"), needle), 1);
  EXPECT_EQ(count_in(prompt("niah_multikey_1"), needle), 4);
  EXPECT_EQ(count_in(prompt("niah_multivalue"), needle), 4);
  EXPECT_GT(count_in(prompt("niah_multikey_2"), needle), 40);
  EXPECT_EQ(count_in(prompt("niah_single_1"), "A secret number is"), 1);
  EXPECT_EQ(count_in(prompt("niah_multivalue"), "Some secret numbers are"), 1);
  EXPECT_EQ(count_in(prompt("niah_single_3"), "Which is the secret uuid of"), 1);
  const Sample queries = sample_of(options_of("niah_multiquery", 2048), 0);
  EXPECT_EQ(count_in(queries.answer_prefix, ", "), 3);
  EXPECT_EQ(count_in(queries.answer_prefix, ", and "), 1);
}

TEST(RulerNeedles, AnswersFollowTheQueriesOrder) {
  const Sample sample = sample_of(options_of("niah_multiquery", 4096), 1);
  size_t from = sample.answer_prefix.find(" of ") + 4;
  for (const std::string& answer : outputs_of(sample)) {
    const size_t to = sample.answer_prefix.find_first_of(", ", from);
    const std::string key = sample.answer_prefix.substr(from, to - from);
    EXPECT_EQ(count_in(sample.prompt, " of " + key + " is: " + answer + "."), 1);
    from = sample.answer_prefix.find_first_not_of(", ", to);
    if (sample.answer_prefix.compare(from, 4, "and ") == 0) from += 4;
  }
}

TEST(RulerNeedles, EssayNeedlesStandBetweenSentences) {
  for (int64_t i = 0; i < 3; ++i) {
    const std::string prompt = sample_of(options_of("niah_multikey_1", 4096), i).prompt;
    for (size_t at = prompt.find("Among the"); at != std::string::npos;
         at = prompt.find("Among the", at + 1)) {
      const std::string before = prompt.substr(at - 3, 3);
      const bool at_beginning = before.back() == '\n';
      if (prompt[prompt.find(".", at) + 1] == '\n') continue;  // behind all the words
      EXPECT_TRUE(at_beginning || before.find_first_of(".?!") != std::string::npos) << before;
    }
  }
}

TEST(RulerNeedles, SameQuestionsAtEveryLength) {
  const Sample small = sample_of(options_of("niah_single_2", 2048), 2);
  const Sample large = sample_of(options_of("niah_single_2", 8192), 2);
  EXPECT_EQ(small.fields["outputs"], large.fields["outputs"]);
  EXPECT_EQ(small.fields["depth"], large.fields["depth"]);
}

TEST(RulerVariables, ChainInOrderBehindASolvedExample) {
  const Sample sample = sample_of(options_of("vt", 2048), 0);
  const Strings names = outputs_of(sample);
  ASSERT_EQ(names.size(), 5u);
  size_t at = sample.prompt.find("VAR " + names[0] + " = ");
  const std::string value = sample.prompt.substr(at + 12, 5);
  EXPECT_EQ(count_in(sample.prompt, "VAR " + names[0] + " = " + value + "\n"), 1);
  for (size_t i = 1; i < names.size(); ++i) {
    const size_t next = sample.prompt.find("VAR " + names[i] + " = VAR " + names[i - 1] + " \n");
    ASSERT_NE(next, std::string::npos);
    EXPECT_GT(next, at);
    at = next;
  }
  EXPECT_EQ(count_in(sample.prompt, "value " + value), 1);
  EXPECT_EQ(count_in(sample.answer_prefix, "5 variables have the value " + value), 1);
  EXPECT_EQ(count_in(sample.prompt, "Question:"), 2);
  EXPECT_EQ(count_in(sample.prompt, "VAR "), 2 * (5 + 4));
}

std::map<std::string, int64_t> count_words(std::string_view list) {
  std::map<std::string, int64_t> counts;
  std::istringstream words{std::string(list)};
  for (std::string word; words >> word;)
    ++counts[word];
  return counts;
}

TEST(RulerCommonWords, OccurAsOftenAsTheTaskSays) {
  for (const int64_t length : {1024, 8192}) {
    const Sample sample = sample_of(options_of("cwe", length), 0);
    const size_t begin = sample.prompt.rfind("\n1. ");
    auto counts = count_words(std::string_view(sample.prompt).substr(begin));
    ASSERT_EQ(outputs_of(sample).size(), 10u);
    for (const std::string& word : outputs_of(sample)) {
      EXPECT_EQ(counts[word], length < 4096 ? 6 : 30);
      EXPECT_EQ(count_in(sample.prompt, word), counts[word]);  // a part of no other word
    }
    EXPECT_EQ(count_in(sample.prompt, "\n1. "), 2);
    EXPECT_EQ(count_in(sample.prompt, " 10. "), 3);  // of two lists and the example's answer
  }
}

TEST(RulerFrequentWords, RanksTwoToFourAreAsked) {
  const Sample sample = sample_of(options_of("fwe", 4096), 0);
  const auto counts = count_words(sample.prompt);
  Strings coded;
  for (const auto& [word, n] : counts) {
    if (n > 1 && word.size() == 6 && n < counts.at("...")) coded.push_back(word);
  }
  std::ranges::sort(coded,
                    [&](const auto& a, const auto& b) { return counts.at(a) > counts.at(b); });
  coded.resize(3);
  EXPECT_EQ(outputs_of(sample), coded);
  // Frequencies fall with the square of the rank.
  EXPECT_NEAR(static_cast<double>(counts.at(coded[0])) / static_cast<double>(counts.at("...")),
              0.25, 0.01);
}

TEST(RulerJsonWords, TheObjectHoldsTheAnswer) {
  for (int64_t i = 0; i < 3; ++i) {
    const Sample sample = sample_of(options_of("json_words", 2048), i);
    const size_t begin = sample.prompt.find('{'), end = sample.prompt.find('}') + 1;
    const auto object = nlohmann::json::parse(sample.prompt.substr(begin, end - begin));
    const size_t from = sample.answer_prefix.find('"') + 1;
    const std::string key =
        sample.answer_prefix.substr(from, sample.answer_prefix.rfind('"') - from);
    EXPECT_EQ(std::to_string(object.at(key).get<int64_t>()), outputs_of(sample)[0]);
    EXPECT_EQ(static_cast<int64_t>(object.size()), count_in(sample.prompt, "\": "));
  }
}

TEST(RulerSamples, WhatCannotBe) {
  expect_error(ruler_samples(options_of("niah", 4096)).status(), ErrorKind::usage, "json_words");
  expect_error(ruler_samples(options_of("cwe", 100)).status(), ErrorKind::usage, "100 tokens");
  expect_error(ruler_samples(options_of("qa_1", 4096)).status(), ErrorKind::usage, "dev-v2.0.json");
  RulerSamples none = options_of("cwe", 4096);
  none.n = 0;
  expect_error(ruler_samples(none).status(), ErrorKind::usage, "number of samples is 0");
  none = options_of("cwe", 4096);
  none.tokens = {};
  expect_error(ruler_samples(none).status(), ErrorKind::usage, "tokenizer");
  expect_error(source_of(options_of("niah_multikey_3", 200))->sample(0).status(),
               ErrorKind::capacity, "200 tokens");
  RulerSamples few_words = options_of("cwe", 131072);
  few_words.words = std::make_shared<const WordLists>(
      WordLists{made_up_words(100, 1), made_up_words(100, 2), made_up_words(100, 3), ""});
  expect_error(source_of(few_words)->sample(0).status(), ErrorKind::capacity, "131072 tokens");
}

}  // namespace
}  // namespace restkv
