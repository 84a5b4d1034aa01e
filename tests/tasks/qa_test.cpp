#include "tasks/qa_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tasks/ruler_samples.h"
#include "tests/tasks/inputs.h"
#include "tests/tasks/toy_tokens.h"

namespace restkv {
namespace {

using nlohmann::json;

// Two articles of `n` paragraphs, each with a question that has an answer and one that has none.
json made_up_squad(int n) {
  json articles = json::array();
  for (const char* const title : {"Ants", "Bees"}) {
    json paragraphs = json::array();
    for (int p = 0; p < n; ++p) {
      const std::string name = std::string(title) + std::to_string(p);
      std::string text = "About " + name + ".";
      for (int w = 0; w < 2 + 13 * p % 70; ++w)
        text += " word" + std::to_string(w) + ".";
      const json good = {
          {"question", "What of " + name + "?"},
          {"is_impossible", false},
          {"answers", {{{"text", std::string("a-").append(name)}}, {{"text", "b"}}}}};
      const json bad = {{"question", "No?"}, {"is_impossible", true}, {"answers", json::array()}};
      paragraphs.push_back({{"context", text}, {"qas", {bad, good}}});
    }
    articles.push_back({{"title", title}, {"paragraphs", paragraphs}});
  }
  return {{"version", "v2.0"}, {"data", articles}};
}

json made_up_hotpot() {
  json records = json::array();
  for (int r = 0; r < 30; ++r) {
    json context = json::array();
    for (int d = 0; d < 3; ++d) {
      const std::string title = std::string("T").append(std::to_string((7 * r + 11 * d) % 60));
      context.push_back(
          {title, {std::string("First of ").append(title), ". Second. And a third one."}});
    }
    records.push_back({{"question", std::to_string(r)}, {"answer", "yes"}, {"context", context}});
  }
  return records;
}

std::set<std::string> texts_of(const std::string& prompt) {
  std::set<std::string> texts;
  constexpr std::string_view kHead = "\nText ";
  for (size_t at = prompt.find(kHead); at != std::string::npos; at = prompt.find(kHead, at + 1)) {
    const size_t begin = prompt.find(":\n", at) + 2;
    texts.insert(prompt.substr(begin, prompt.find("\n\n", begin) - begin));
  }
  return texts;
}

RulerSamples options_of(const std::string& task, int64_t length) {
  return {.task = task, .length = length, .n = 3, .tokens = ToyTokens::tokens()};
}

TEST(QaFile, QuestionsThatHaveAnAnswer) {
  const TemporaryFolder folder;
  const auto file = read_squad(folder.write("squad.json", made_up_squad(4).dump()));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->documents.size(), 8u);
  ASSERT_EQ(file->questions.size(), 8u);
  const QaQuestion& question = file->questions[5];
  EXPECT_EQ(question.text, "What of Bees1?");
  EXPECT_EQ(question.answers, (std::vector<std::string>{"a-Bees1", "b"}));
  ASSERT_EQ(question.gold.size(), 1u);
  EXPECT_TRUE(file->documents[static_cast<size_t>(question.gold[0])].starts_with("Bees\nAbout"));
  EXPECT_EQ(question.near.size(), 3u);
}

TEST(QaFile, HotpotHasItsDocumentsInEveryRecord) {
  const TemporaryFolder folder;
  const auto file = read_hotpot(folder.write("hotpot.json", made_up_hotpot().dump()));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->questions.size(), 30u);
  EXPECT_EQ(file->questions[2].gold.size(), 3u);
  EXPECT_TRUE(std::ranges::is_sorted(file->documents));
  EXPECT_EQ(std::set(file->documents.begin(), file->documents.end()).size(),
            file->documents.size());
}

TEST(QaFile, OtherForms) {
  const TemporaryFolder folder;
  const auto squad = [&](const char* content) {
    return read_squad(folder.write("q.json", content)).status();
  };
  expect_error(squad("{"), ErrorKind::model, "not JSON");
  expect_error(squad("{}"), ErrorKind::model, "form of SQuAD 2.0");
  expect_error(squad("[]"), ErrorKind::model, "form of SQuAD 2.0");
  expect_error(squad(R"({"data": []})"), ErrorKind::model, "no questions");
  expect_error(read_hotpot(folder.write("h.json", R"([{"question": "x"}])")).status(),
               ErrorKind::model, "form of HotpotQA");
}

TEST(RulerQa, TheAnswerIsAmongTheDocuments) {
  const TemporaryFolder folder;
  RulerSamples options = options_of("qa_1", 2048);
  options.squad = folder.write("squad.json", made_up_squad(60).dump());
  const auto source = opened(ruler_samples(options));
  for (int64_t i = 0; i < 3; ++i) {
    const Sample sample = *source->sample(i);
    const std::string name = "Ants" + std::to_string(i);
    EXPECT_EQ(count_in(sample.prompt, "Question: What of " + name + "?"), 1);
    EXPECT_EQ(count_in(sample.prompt, "Ants\nAbout " + name + "."), 1);
    EXPECT_EQ(sample.fields["outputs"], (std::vector<std::string>{"a-" + name, "b"}));
    EXPECT_EQ(sample.answer_prefix, " Answer:");
    const auto n_token = sample.fields["n_token"].get<int64_t>() + sample.n_new;
    EXPECT_LE(n_token, 2048);
    EXPECT_GE(n_token, 2048 - 2048 / 50);
    EXPECT_GT(texts_of(sample.prompt).size(), 5u);
    EXPECT_EQ(static_cast<int64_t>(texts_of(sample.prompt).size()),
              count_in(sample.prompt, "\nText "));
  }
}

TEST(RulerQa, NumberedHeads) {
  const TemporaryFolder folder;
  RulerSamples options = options_of("qa_2", 512);
  options.hotpot = folder.write("hotpot.json", made_up_hotpot().dump());
  const Sample sample = *(*ruler_samples(options))->sample(0);
  EXPECT_EQ(count_in(sample.prompt, "Text 1:\nT"), 1);
  EXPECT_EQ(count_in(sample.prompt, "Text 5:\nT"), 1);
  for (const char* const title : {"T0", "T11", "T22"})
    EXPECT_EQ(count_in(sample.prompt, std::string(":\n") + title + "\n"), 1);
}

TEST(RulerQa, WhatCannotBe) {
  const TemporaryFolder folder;
  RulerSamples options = options_of("qa_2", 2048);
  options.hotpot = folder.write("hotpot.json", made_up_hotpot().dump());
  options.n = 31;
  expect_error(ruler_samples(options).status(), ErrorKind::usage, "holds 30 questions");
  options.n = 1;
  options.length = 131072;
  expect_error((*ruler_samples(options))->sample(0).status(), ErrorKind::capacity, "131072 tokens");
}

}  // namespace
}  // namespace restkv
