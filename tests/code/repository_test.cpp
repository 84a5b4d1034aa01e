// The synthetic repository, and the conversations about it.
#include "tasks/repository.h"

#include <gtest/gtest.h>

#include <set>

#include "eval/program_checker.h"
#include "tasks/form.h"
#include "tasks/repository_samples.h"
#include "tests/code/byte_tokens.h"

namespace restkv {
namespace {

using test::byte_tokens;

std::vector<Sample> samples(int64_t n, int64_t length, uint64_t seed, bool chat = false) {
  std::vector<Sample> made;
  auto source = repository_samples(
      {.n = n, .length = length, .seed = seed, .chat = chat, .tokens = byte_tokens()});
  EXPECT_TRUE(source.ok()) << source.status().message();
  for (int64_t i = 0; source.ok() && i < n; ++i) {
    auto sample = (*source)->sample(i);
    EXPECT_TRUE(sample.ok()) << sample.status().message();
    if (sample.ok()) made.push_back(std::move(*sample));
  }
  return made;
}

TEST(Repository, NamesAndPathsAreUnique) {
  const Repository repository(3);
  std::set<std::string> names, paths;
  const int64_t n = Repository::max_functions();
  for (int64_t i = 0; i < n; ++i) {
    names.insert(repository.function(i).name);
    paths.insert(repository.path(i));
  }
  EXPECT_EQ(static_cast<int64_t>(names.size()), n);
  EXPECT_EQ(static_cast<int64_t>(paths.size()), n / Repository::kPerModule);
  // No name is part of another one.
  std::string all = "\n";
  for (const std::string& name : names)
    all += name + "\n";
  for (const std::string& name : names)
    EXPECT_EQ(count_occurrences(all, name), 1) << name;
}

TEST(Repository, ASeedSaysAll) {
  EXPECT_EQ(Repository(5).text(40), Repository(5).text(40));
  EXPECT_NE(Repository(5).text(40), Repository(6).text(40));
  EXPECT_TRUE(Repository(5).text(40).starts_with(Repository(5).text(20)));
  const RepositoryFunction function = Repository(1).function(0);
  EXPECT_EQ(function.parameters.size(), 3u);
  EXPECT_TRUE(function.code().starts_with("def " + function.name + "("));
}

// Written down once: another compiler or machine must draw the same.
TEST(Repository, IsTheSameEverywhere) {
  EXPECT_EQ(Repository(42).text(1),
            "# File: freight/shares.py\n\n\ndef measure_signal(days, share, height=49):\n    "
            "return days * 36 + share - height * 24\n");
}

TEST(RepositorySamples, FillTheirLengthAndAskWhatIsThereOnce) {
  for (const bool chat : {false, true}) {
    for (const Sample& sample : samples(10, 12000, 1, chat)) {
      EXPECT_LE(sample.prompt.size(), 12000u);
      EXPECT_GE(sample.prompt.size(), 11760u);
      EXPECT_EQ(count_occurrences(sample.prompt, sample.fields["path"].get<std::string>()), 1);
      EXPECT_EQ(count_occurrences(sample.prompt,
                                  "def " + sample.fields["signature"].get<std::string>() + ":"),
                1);
      const auto turns = repository_turns(sample, chat);
      ASSERT_TRUE(turns.ok());
      ASSERT_EQ(turns->size(), 3u);
      EXPECT_TRUE(sample.prompt.ends_with((*turns)[0].question));
      EXPECT_EQ((*turns)[0].answer_prefix, sample.answer_prefix);
    }
  }
}

TEST(RepositorySamples, TheSameQuestionsAtEveryLength) {
  const auto some = samples(5, 6000, 9), more = samples(5, 20000, 9), others = samples(5, 6000, 10);
  int n_changed = 0;
  for (size_t i = 0; i < some.size(); ++i) {
    EXPECT_EQ(some[i].fields["added"], more[i].fields["added"]);
    EXPECT_NEAR(some[i].fields["depth"].get<double>(), more[i].fields["depth"].get<double>(), 5);
    n_changed += some[i].fields["function"] != others[i].fields["function"] ? 1 : 0;
  }
  EXPECT_GE(n_changed, 4);
}

TEST(RepositorySamples, WhatCannotBe) {
  EXPECT_EQ(repository_samples({.n = 0, .length = 5000, .tokens = byte_tokens()}).status().kind(),
            ErrorKind::usage);
  EXPECT_EQ(repository_samples({.n = 1, .length = 0, .tokens = byte_tokens()}).status().kind(),
            ErrorKind::usage);
  const auto source = repository_samples({.n = 1, .length = 100, .tokens = byte_tokens()});
  ASSERT_TRUE(source.ok());
  EXPECT_EQ((*source)->sample(0).status().kind(), ErrorKind::capacity);
  EXPECT_EQ(repository_turns(Sample(), false).status().kind(), ErrorKind::model);
}

TEST(RepositorySamples, AnswersAreFound) {
  EXPECT_TRUE(names_path(" The file is `yard/cedar.py`.", "yard/cedar.py"));
  EXPECT_FALSE(names_path("cedar.py", "yard/cedar.py"));
  EXPECT_TRUE(names_signature("`def rank_mill(a,b, c = 3):`", "rank_mill(a, b, c=3)"));
  EXPECT_FALSE(names_signature("rank_mill(a, b, c=4)", "rank_mill(a, b, c=3)"));
  EXPECT_FALSE(names_signature("rank_mill(a, b)", "rank_mill(a, b, c=3)"));
}

// The right change passes its test and the unchanged function fails it; the whole repository runs.
TEST(RepositorySamples, TestsCanBePassedAndFailed) {
  const ProgramChecker checker{.command = {"python3", RESTKV_SCRIPTS "/check_humaneval.py"}};
  const auto alive = check_program(checker, "assert True");
  if (!alive.ok()) GTEST_SKIP() << "no Python to run programs with: " << alive.status().message();
  for (const Sample& sample : samples(4, 6000, 2)) {
    const std::string text = sample.prompt.substr(0, sample.prompt.find("\n\nQuestion:"));
    const std::string name = sample.fields["function"], test = sample.fields["test"];
    const std::string added = sample.fields["added"].dump();
    const auto unchanged = check_program(checker, text + "\n\n" + test);
    ASSERT_TRUE(unchanged.ok()) << unchanged.status().message();
    EXPECT_TRUE(unchanged->result.starts_with("failed: AssertionError")) << unchanged->result;
    const std::string change =
        "\n\nold = " + name + "\ndef " + name + "(*all):\n    return old(*all) + " + added + "\n";
    const auto changed = check_program(checker, text + change + test);
    ASSERT_TRUE(changed.ok()) << changed.status().message();
    EXPECT_EQ(changed->result, "passed");
  }
}

}  // namespace
}  // namespace restkv
