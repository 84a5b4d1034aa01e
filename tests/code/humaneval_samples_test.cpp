// Problems behind other code, and what is executed.
#include "tasks/humaneval_samples.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <set>

#include "tests/code/byte_tokens.h"

namespace restkv {
namespace {

using test::byte_tokens;

std::string name_of(int i) {
  return "f" + std::string(1, static_cast<char>('a' + i));
}

std::string problem_line(int i) {
  const nlohmann::ordered_json line{
      {"task_id", "Made/" + std::to_string(i)},
      {"prompt", "\nimport math\n\ndef " + name_of(i) + "(x):\n    \"\"\"Adds.\"\"\"\n"},
      {"entry_point", name_of(i)},
      {"canonical_solution", "    return x + " + std::to_string(i) + "\n"},
      {"test",
       "def check(candidate):\n    assert candidate(1) == " + std::to_string(i + 1) + "\n"}};
  return line.dump() + "\n";
}

class HumanEvalTest : public ::testing::Test {
 protected:
  std::string write(const std::string& content) {
    const std::string path = ::testing::TempDir() + "problems_" +
                             ::testing::UnitTest::GetInstance()->current_test_info()->name() +
                             ".jsonl";
    std::ofstream(path) << content;
    return path;
  }

  std::shared_ptr<const CodeProblems> problems(int n) {
    std::string content;
    for (int i = 0; i < n; ++i)
      content += problem_line(i);
    auto loaded = CodeProblems::load(write(content), false);
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    return loaded.ok() ? *loaded : nullptr;
  }

  static std::vector<Sample> all(const HumanEvalSamples& options) {
    std::vector<Sample> samples;
    auto source = humaneval_samples(options);
    EXPECT_TRUE(source.ok()) << source.status().message();
    for (int64_t i = 0; source.ok() && i < (*source)->size(); ++i) {
      auto sample = (*source)->sample(i);
      EXPECT_TRUE(sample.ok());
      samples.push_back(std::move(*sample));
    }
    return samples;
  }
};

TEST_F(HumanEvalTest, AProblemAloneIsItsPrompt) {
  const auto made = problems(3);
  const auto samples = all({.problems = made, .tokens = byte_tokens()});
  ASSERT_EQ(samples.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(samples[i].prompt, made->all[i].prompt);
    EXPECT_EQ(samples[i].id, made->all[i].id);
    EXPECT_EQ(samples[i].answer_prefix, "");
    EXPECT_FALSE(samples[i].stop.empty());
  }
}

TEST_F(HumanEvalTest, OthersStandInFrontAndItselfDoesNot) {
  const auto made = problems(20);
  for (const bool chat : {false, true}) {
    const HumanEvalSamples options{
        .problems = made, .n_pad = 700, .seed = 7, .chat = chat, .tokens = byte_tokens()};
    std::set<std::string> fronts;
    for (const Sample& sample : all(options)) {
      const std::string name = sample.fields["entry_point"];
      const size_t own = sample.prompt.find("# File: " + name + ".py\n");
      ASSERT_NE(own, std::string::npos);
      EXPECT_EQ(sample.prompt.find("def " + name), sample.prompt.rfind("def " + name));
      EXPECT_GT(sample.prompt.find("def " + name), own);
      const auto n = sample.fields["padding_tokens"].get<int64_t>();
      EXPECT_LE(n, 700);
      EXPECT_GT(n, 600);
      // Whole functions, each once.
      std::set<std::string> seen;
      for (const CodeProblem& other : made->all) {
        const size_t at = sample.prompt.find("def " + other.entry_point + "(");
        if (at == std::string::npos || other.entry_point == name) continue;
        EXPECT_NE(sample.prompt.find(other.solution, at), std::string::npos);
        EXPECT_EQ(sample.prompt.find("def " + other.entry_point + "(", at + 1), std::string::npos);
        seen.insert(other.entry_point);
      }
      EXPECT_GE(seen.size(), 5u);
      fronts.insert(sample.prompt.substr(0, own));
    }
    EXPECT_GT(fronts.size(), 10u);  // another order for every sample
  }
}

TEST_F(HumanEvalTest, TheSameSeedGivesTheSameAndWhatIsNearestStays) {
  const auto made = problems(20);
  HumanEvalSamples options{.problems = made, .n_pad = 400, .seed = 7, .tokens = byte_tokens()};
  const auto once = all(options), again = all(options);
  options.seed = 8;
  const auto other = all(options);
  options.seed = 7;
  options.n_pad = 1200;
  const auto longer = all(options);
  int n_changed = 0;
  for (size_t i = 0; i < once.size(); ++i) {
    EXPECT_EQ(once[i].prompt, again[i].prompt);
    n_changed += once[i].prompt != other[i].prompt ? 1 : 0;
    EXPECT_TRUE(longer[i].prompt.ends_with(once[i].prompt));
  }
  EXPECT_GT(n_changed, 10);
}

TEST_F(HumanEvalTest, FewProblemsAreRepeated) {
  const auto samples = all({.problems = problems(3), .n_pad = 2000, .tokens = byte_tokens()});
  EXPECT_GT(samples[0].fields["padding_tokens"], 1800);
  EXPECT_EQ(samples[0].prompt.find("def fa("), samples[0].prompt.rfind("def fa("));
}

TEST_F(HumanEvalTest, WhatCannotBe) {
  auto none = humaneval_samples({.problems = problems(1), .n_pad = 10, .tokens = byte_tokens()});
  EXPECT_EQ(none.status().kind(), ErrorKind::usage);
  none = humaneval_samples({.problems = problems(2), .n_pad = -1, .tokens = byte_tokens()});
  EXPECT_EQ(none.status().kind(), ErrorKind::usage);
  const auto twice = CodeProblems::load(write(problem_line(1) + problem_line(1)), false);
  EXPECT_NE(twice.status().message().find(":2:"), std::string::npos);
  const std::string bad = problem_line(1) + "{\"task_id\": \"x\"}\n" + problem_line(2);
  EXPECT_NE(CodeProblems::load(write(bad), false).status().message().find(":2:"),
            std::string::npos);
  const auto rest = CodeProblems::load(write(bad), true);
  ASSERT_TRUE(rest.ok());
  EXPECT_EQ((*rest)->all.size(), 2u);
  EXPECT_EQ((*rest)->n_skipped, 1);
}

TEST_F(HumanEvalTest, WhatIsExecuted) {
  const CodeProblem problem{.id = "a",
                            .prompt =
                                "import math\n\ndef helper(x):\n    return x\n\n"
                                "def f(x):\n    \"\"\"Adds.\"\"\"\n",
                            .entry_point = "f",
                            .solution = "",
                            .test = "def check(candidate):\n    assert candidate(1) == 2\n"};
  const std::string test = "\n" + problem.test + "\ncheck(f)";
  EXPECT_EQ(humaneval_program(problem, "    return x + 1"),
            problem.prompt + "    return x + 1" + test);
  // A whole function follows what stands before the prompt's own.
  const std::string head = "import math\n\ndef helper(x):\n    return x\n\n";
  EXPECT_EQ(humaneval_program(problem, "def f(x):\n    return 2"),
            head + "def f(x):\n    return 2" + test);
  EXPECT_EQ(humaneval_program(problem, "import re\ndef f (x):\n    return 2"),
            head + "import re\ndef f (x):\n    return 2" + test);
  // One within another, or of another name, is none.
  for (const char* answer : {"    def f(y):\n        return y\n    return f(x)", "def f2(x):\n"})
    EXPECT_EQ(humaneval_program(problem, answer), problem.prompt + answer + test);
}

}  // namespace
}  // namespace restkv
