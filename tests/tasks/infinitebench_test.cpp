#include "tasks/infinitebench_samples.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <set>
#include <sstream>

#include "scores/infinitebench.h"
#include "tests/tasks/inputs.h"
#include "tests/tasks/toy_tokens.h"

namespace restkv {
namespace {

using json = nlohmann::ordered_json;

InfiniteBenchSamples options_of(const std::string& task, int64_t length = 4096) {
  return {.task = task, .length = length, .n = 10, .tokens = ToyTokens::tokens()};
}

std::unique_ptr<SampleSource> source_of(const InfiniteBenchSamples& options) {
  return opened(infinitebench_samples(options));
}

const std::vector<std::string> kGenerated = {"passkey",   "number_string", "kv_retrieval",
                                             "math_find", "math_calc",     "code_run"};

TEST(InfiniteBenchGenerated, FillsItsLength) {
  for (const std::string& task : kGenerated) {
    EXPECT_TRUE(infinitebench_can_generate(task));
    for (const int64_t length : {2048, 8192}) {
      const InfiniteBenchSamples options = options_of(task, length);
      const Sample sample = *source_of(options)->sample(3);
      const auto n_prompt =
          static_cast<int64_t>(options.tokens.encode(sample.prompt, true)->size());
      EXPECT_LE(n_prompt + sample.n_new, length) << task;
      EXPECT_GE(n_prompt + sample.n_new, length - length / 20) << task;
      EXPECT_EQ(sample.fields["n_token"], n_prompt);
    }
  }
}

TEST(InfiniteBenchGenerated, LimitsFollowThePreset) {
  InfiniteBenchSamples options = options_of("passkey");
  EXPECT_EQ(source_of(options)->sample(0)->n_new, 15);
  options.preset = InfiniteBenchPreset::official;
  EXPECT_EQ(source_of(options)->sample(0)->n_new, 6);
}

TEST(InfiniteBenchGenerated, HiddenNumbersAreSaidTwice) {
  for (const char* const task : {"passkey", "number_string"}) {
    const auto source = source_of(options_of(task));
    std::set<std::string> numbers;
    for (int64_t i = 0; i < source->size(); ++i) {
      const Sample sample = *source->sample(i);
      const auto label = sample.fields["label"].get<std::string>();
      EXPECT_EQ(label.size(), std::string(task) == "passkey" ? 5u : 10u);
      EXPECT_EQ(count_in(sample.prompt, label), 2);
      numbers.insert(label);
    }
    EXPECT_EQ(numbers.size(), 10u);
  }
}

TEST(InfiniteBenchGenerated, DepthsAreSpreadEvenly) {
  const auto source = source_of(options_of("passkey"));
  std::set<int64_t> tenths;
  for (int64_t i = 0; i < 10; ++i)
    tenths.insert(static_cast<int64_t>(source->sample(i)->fields["depth"].get<double>() / 10.01));
  EXPECT_GE(tenths.size(), 8u);
}

TEST(InfiniteBenchGenerated, TheKeyHasTheValue) {
  const auto source = source_of(options_of("kv_retrieval"));
  for (int64_t i = 0; i < 3; ++i) {
    const Sample sample = *source->sample(i);
    const size_t begin = sample.prompt.find('{'), end = sample.prompt.find('}') + 1;
    const json object = json::parse(sample.prompt.substr(begin, end - begin));
    const size_t key = sample.prompt.find("Key: \"") + 6;
    EXPECT_EQ(object.at(sample.prompt.substr(key, 36)), sample.fields["label"]);
  }
}

TEST(InfiniteBenchGenerated, FindsWhatItAsksFor) {
  const auto source = source_of(options_of("math_find"));
  for (int64_t i = 0; i < 7; ++i) {
    const Sample sample = *source->sample(i);
    const size_t begin = sample.prompt.find('['), end = sample.prompt.find(']') + 1;
    auto numbers =
        json::parse(sample.prompt.substr(begin, end - begin)).get<std::vector<int64_t>>();
    std::ranges::sort(numbers);
    const auto has = [&](const char* what) {
      return sample.prompt.find(std::string("The ") + what + " number") != std::string::npos;
    };
    const size_t n = numbers.size();
    const size_t place = has("largest")           ? n - 1
                         : has("second largest")  ? n - 2
                         : has("third largest")   ? n - 3
                         : has("smallest")        ? 0
                         : has("second smallest") ? 1
                         : has("third smallest")  ? 2
                                                  : n / 2;
    EXPECT_EQ(n % 2, 1u);
    EXPECT_EQ(sample.fields["label"], numbers[place]) << i;
    if (place != n / 2) {
      EXPECT_EQ(std::ranges::count(numbers, numbers[place]), 1);
    }
  }
}

TEST(InfiniteBenchGenerated, RunningValuesAreRight) {
  const Sample sample = *source_of(options_of("math_calc"))->sample(0);
  const size_t begin = sample.prompt.rfind("Sum: ") + 5;
  std::istringstream terms(sample.prompt.substr(begin, sample.prompt.rfind('\n') - begin));
  std::vector<int64_t> values;
  int64_t term = 0;
  std::string sign = "+";
  while (terms >> term) {
    values.push_back((values.empty() ? 0 : values.back()) + (sign == "-" ? -term : term));
    EXPECT_TRUE(values.back() >= 0 && values.back() <= 99);
    terms >> sign;
  }
  EXPECT_EQ(sample.fields["label"], json(values));
  EXPECT_GT(values.size(), 300u);
}

TEST(InfiniteBenchGenerated, FunctionsReturnTheAnswer) {
  const auto source = source_of(options_of("code_run"));
  const std::regex define(
      "def (func_\\d+)\\(x\\):\\n    return (func_\\d+)?(?:\\(x\\)|x)(?: ([+-]) (\\d+))?\\n");
  for (int64_t i = 0; i < 5; ++i) {
    const Sample sample = *source->sample(i);
    std::map<std::string, std::pair<std::string, int64_t>> functions;
    for (std::sregex_iterator at(sample.prompt.begin(), sample.prompt.end(), define), end;
         at != end; ++at) {
      const int64_t added = (*at)[4].matched ? std::stoll((*at)[4]) : 0;
      functions[(*at)[1]] = {(*at)[2], (*at)[3] == "-" ? -added : added};
    }
    EXPECT_EQ(static_cast<int64_t>(functions.size()), count_in(sample.prompt, "def func_"));
    std::smatch call;
    const std::string input = sample.prompt.substr(sample.prompt.rfind("The value of "));
    ASSERT_TRUE(std::regex_search(input, call, std::regex("(func_\\d+)\\((-?\\d+)\\)")));
    std::string name = call[1];
    int64_t value = std::stoll(call[2]), n_call = 0;
    for (; !name.empty(); ++n_call) {
      value += functions.at(name).second;
      name = functions.at(name).first;
    }
    EXPECT_EQ(sample.fields["label"], value);
    EXPECT_EQ(sample.fields["layers"], n_call);
  }
}

TEST(InfiniteBenchRecords, PromptsAndLabelsByTask) {
  const TemporaryFolder folder;
  const auto read = [&](const std::string& task, const std::string& line) {
    folder.write(task + ".jsonl", line + "\n");
    InfiniteBenchSamples options{.task = task, .data = folder.path()};
    const auto sample = source_of(options)->sample(0);
    EXPECT_TRUE(sample.ok()) << sample.status().message();
    return *sample;
  };
  const Sample run = read("code_run", R"json({"id": 7, "context": "CODE", "answer": -3, )json"
                                      R"json("input": "value of func_1(-7). func_2(3)"})json");
  EXPECT_NE(run.prompt.find("has a function func_1.\n\nCODE\n"), std::string::npos) << run.prompt;
  EXPECT_NE(run.prompt.find("what func_1(-7) returns"), std::string::npos);
  EXPECT_EQ(run.fields["label"], -3);
  EXPECT_EQ(run.fields["id"], 7);
  const Sample choice =
      read("longbook_choice_eng", R"({"context": "BOOK", "input": "Who?", "answer": ["Cid"], )"
                                  R"("options": ["Ann", "Bob", "Cid", "Dan"]})");
  EXPECT_EQ(choice.fields["label"], json({"Cid", "C"}));
  EXPECT_NE(choice.prompt.find("Question: Who?\nA. Ann\nB. Bob\n"), std::string::npos);
  const Sample find = read(
      "math_find", R"({"context": "[1, 2]", "answer": 2, )"
                   R"("input": "One number. The Largest number of the list of numbers is: "})");
  EXPECT_NE(find.prompt.find("[1, 2]\n\nOne number."), std::string::npos);
}

TEST(InfiniteBenchRecords, OfficialTemplatesGetTheirFirstLine) {
  const TemporaryFolder folder;
  const std::string file =
      folder.write("prompts.json", R"({"math_find": {"template": "{prefix}|{context}|{input}"}})");
  folder.write("math_find.jsonl",
               R"({"context": "[1]", "answer": 1, "input": "x\nThe second LARGEST number of it"})"
               "\n");
  InfiniteBenchSamples options{.task = "math_find", .data = folder.path()};
  options.prompts = std::make_shared<const Prompts>(*Prompts::load(PromptSet::infinitebench, file));
  EXPECT_EQ(source_of(options)->sample(0)->prompt,
            "What is the second largest number in the following list?|[1]|x\nThe second LARGEST "
            "number of it");
  options.task = "passkey";
  expect_error(infinitebench_samples(options).status(), ErrorKind::model, "none for passkey");
}

TEST(InfiniteBenchRecords, MalformedOnes) {
  const TemporaryFolder folder;
  const auto status = [&](const std::string& task, const std::string& line) {
    folder.write(task + ".jsonl", line + "\n");
    return infinitebench_samples({.task = task, .data = folder.path()}).status();
  };
  expect_error(status("code_run", R"json({"context": "", "input": "func_1(x)", "answer": 1})json"),
               ErrorKind::model, "code_run.jsonl:1: field input has no call");
  expect_error(status("math_find", R"({"context": "", "input": "The  of", "answer": 1})"),
               ErrorKind::model, "has no \"The ... of\"");
  expect_error(status("code_debug", R"({"context": "", "options": ["a"], "answer": "a"})"),
               ErrorKind::model, "options has 1 entries");
  expect_error(
      status("code_debug", R"({"context": "", "options": ["a", "b", "c", "d"], "answer": "e"})"),
      ErrorKind::model, "none of the options");
  expect_error(status("passkey", R"({"context": "", "input": ""})"), ErrorKind::model,
               "answer is missing");
  expect_error(infinitebench_samples({.task = "longbook_qa_eng"}).status(), ErrorKind::usage,
               "cannot be generated");
  expect_error(infinitebench_samples({.task = "x"}).status(), ErrorKind::usage,
               "InfiniteBench has");
}

}  // namespace
}  // namespace restkv
