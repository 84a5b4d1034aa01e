#include "tasks/prompts.h"

#include <gtest/gtest.h>

#include "scores/infinitebench.h"
#include "scores/longbench.h"
#include "tests/tasks/inputs.h"

namespace restkv {
namespace {

TEST(Prompts, BuiltInOnesForEveryTask) {
  const Prompts longbench = Prompts::built_in(PromptSet::longbench);
  EXPECT_TRUE(longbench.is_built_in());
  EXPECT_EQ(longbench.name(), "built-in");
  for (const LongBenchTask& task : longbench_tasks()) {
    const auto text = longbench.find(task.name);
    ASSERT_TRUE(text.ok()) << task.name;
    EXPECT_EQ(count_in(text->prompt, "{input}"), task.has_input ? 1 : 0) << task.name;
  }
  for (const InfiniteBenchTask& task : infinitebench_tasks())
    EXPECT_TRUE(Prompts::built_in(PromptSet::infinitebench).find(task.name).ok()) << task.name;
  for (const char* const task : {"niah", "variable_tracking", "common_words_extraction",
                                 "freq_words_extraction", "qa", "json_words"})
    EXPECT_TRUE(Prompts::built_in(PromptSet::ruler).find(task).ok()) << task;
  expect_error(longbench.find("x").status(), ErrorKind::model, "built-in have none for x");
}

TEST(Prompts, FilesReplaceThem) {
  const TemporaryFolder folder;
  const std::string path = folder.write(
      "p.json",
      R"({"needle": "N", "qa": {"template": "{context}!", "answer_prefix": "P", "max_new_tokens": 5},
          "note": 3})");
  const auto prompts = Prompts::load(PromptSet::ruler, path);
  ASSERT_TRUE(prompts.ok()) << prompts.status().message();
  EXPECT_FALSE(prompts->is_built_in());
  EXPECT_EQ(prompts->name(), path);
  EXPECT_EQ(prompts->text("needle"), "N");
  EXPECT_EQ(prompts->text("noise"), Prompts::built_in(PromptSet::ruler).text("noise"));
  EXPECT_EQ(prompts->find("qa")->prompt, "{context}!");
  EXPECT_EQ(prompts->find("qa")->answer_prefix, "P");
  expect_error(prompts->find("niah").status(), ErrorKind::model, path);
  EXPECT_TRUE(prompts->find("json_words").ok());  // ours, in no file
}

TEST(Prompts, TheNeedleTestsFileIsFlat) {
  const TemporaryFolder folder;
  const std::string path =
      folder.write("n.json", R"({"template": "{context} {question}", "question": "Q"})");
  const auto prompts = Prompts::load(PromptSet::niah, path);
  ASSERT_TRUE(prompts.ok()) << prompts.status().message();
  EXPECT_EQ(prompts->find("niah")->prompt, "{context} {question}");
  EXPECT_EQ(prompts->text("question"), "Q");
}

TEST(Prompts, FilesThatAreNone) {
  const TemporaryFolder folder;
  const auto status = [&](const char* content) {
    return Prompts::load(PromptSet::longbench, folder.write("p.json", content)).status();
  };
  expect_error(status("{"), ErrorKind::model, "is not JSON");
  expect_error(status("[]"), ErrorKind::model, "type array");
  expect_error(status(R"({"trec": {"template": "x"}})"), ErrorKind::model,
               "trec: the template has no place {context}");
  expect_error(status(R"({"trec": {"template": 1}})"), ErrorKind::model, "type number");
  expect_error(status(R"({"trec": "x"})"), ErrorKind::model, "trec holds a value of type string");
  expect_error(Prompts::load(PromptSet::niah, folder.write("n.json", R"({"needle": 5})")).status(),
               ErrorKind::model, "needle holds a value of type number");
  expect_error(Prompts::load(PromptSet::ruler, "/nowhere").status(), ErrorKind::model, "/nowhere");
}

TEST(FillPlaces, OnePassKnownNamesOnly) {
  EXPECT_EQ(fill_places("{a}{b} {c} {", {{"a", "{b}"}, {"b", "2"}}), "{b}2 {c} {");
  EXPECT_EQ(fill_places("{{a}}", {{"a", "1"}}), "{1}");
  EXPECT_EQ(fill_places("", {}), "");
  EXPECT_EQ(fill_places("{x {a}", {{"a", "1"}}), "{x 1");
}

}  // namespace
}  // namespace restkv
