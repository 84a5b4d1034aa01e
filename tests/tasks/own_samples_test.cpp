// Questions and texts of a user's own files, and pieces of running text.
#include <gtest/gtest.h>

#include "tasks/choice_samples.h"
#include "tasks/cloze_samples.h"
#include "tasks/text_samples.h"
#include "tests/tasks/inputs.h"
#include "tests/tasks/toy_tokens.h"

namespace restkv {
namespace {

class OwnSamplesTest : public ::testing::Test {
 protected:
  std::string file(const std::string& content) {
    const std::string path = folder_.path() + "/own.jsonl";
    std::ofstream(path) << content;
    return path;
  }
  TemporaryFolder folder_;
};

TEST_F(OwnSamplesTest, ThreeFormsOfQuestions) {
  const auto source = choice_samples({.path = file(
      R"({"id": "a", "question": "Q?", "choices": ["x", "y z"], "answer": 1})" "\n"
      R"({"question": "Q?", "choices": ["x", "y"], "answer": "B", "context": "C."})" "\n"
      R"({"question": "Q?", "choices": ["x", "y"], "answer": "x"})" "\n"
      R"({"question": "Q?", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"})" "\n"
      R"x({"input": "Q?\nOptions:\n(A) x\n(B) y\n(C) z", "target": "(C)"})x" "\n"
      R"x({"input": "\n(A) x\n\n(B) y", "target": "(B)"})x" "\n")});
  ASSERT_TRUE(source.ok()) << source.status().message();
  ASSERT_EQ((*source)->size(), 6);
  const std::vector<int> labels = {1, 1, 0, 1, 2, 1};
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ((*source)->sample(i)->fields["label"], labels[i]) << i;
  const Sample first = *(*source)->sample(0);
  EXPECT_EQ(first.prompt, "Question: Q?\nAnswer:");
  EXPECT_EQ(first.fields["options"], nlohmann::json({" x", " y z"}));
  EXPECT_EQ(first.fields["id"], "a");
  EXPECT_EQ((*source)->sample(1)->prompt, "C.\n\nQuestion: Q?\nAnswer:");
  EXPECT_EQ((*source)->sample(4)->fields["options"], nlohmann::json({" (A)", " (B)", " (C)"}));
}

TEST_F(OwnSamplesTest, BadQuestionsAreNamed) {
  for (const auto& [line, message] : std::vector<std::pair<std::string, std::string>>{
           {R"({"choices": ["x", "y"], "answer": 0})", "question"},
           {R"({"question": "Q", "choices": ["x"], "answer": 0})", "at least 2"},
           {R"({"question": "Q", "choices": ["x", "y"], "answer": 2})", "0 to 1"},
           {R"({"question": "Q", "choices": ["x", "y"], "answer": "w"})", "none of the choices"},
           {R"({"question": "Q", "choices": ["x", 3], "answer": 0})", "list of strings"},
           {R"x({"input": "Q", "target": "(A)"})x", "at least 2"},
           {R"({"question": "Q", "choices": {"text": ["x", "y"], "label": ["A", "B", "C"]}, "answerKey": "C"})",
            "2 choices and 3 labels"},
           {"nonsense", "JSON"}}) {
    const auto source = choice_samples({.path = file(line + "\n")});
    ASSERT_FALSE(source.ok()) << line;
    EXPECT_NE(source.status().message().find("own.jsonl"), std::string::npos);
    EXPECT_NE(source.status().message().find(message), std::string::npos)
        << source.status().message();
  }
}

TEST_F(OwnSamplesTest, BadLinesAreCountedWhereThatIsWanted) {
  const auto source =
      choice_samples({.path = file("{}\n"
                                   R"({"question": "Q", "choices": ["x", "y"], "answer": 0})"
                                   "\n"),
                      .skip_bad = true});
  ASSERT_TRUE(source.ok());
  EXPECT_EQ((*source)->size(), 1);
  EXPECT_EQ((*source)->n_skipped(), 1);
}

TEST_F(OwnSamplesTest, ALastWordIsTheTarget) {
  const auto source = cloze_samples({.path = file(R"({"text": "The sea was  calm\n"})"
                                                  "\n")});
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_EQ((*source)->sample(0)->prompt, "The sea was");
  EXPECT_EQ((*source)->sample(0)->fields["target"], "  calm");
  EXPECT_FALSE(cloze_samples({.path = file(R"({"text": " word "})"
                                           "\n")})
                   .ok());
}

TEST_F(OwnSamplesTest, PiecesSpreadOverTheText) {
  std::string text = "w0";
  for (int i = 1; i < 100; ++i)
    text += " w" + std::to_string(i);
  const TextTokens tokens = ToyTokens::tokens();
  const auto n_token = static_cast<int64_t>(tokens.encode(text, false)->size());
  const auto source =
      text_pieces({.text = text, .n = 3, .n_prompt = 20, .n_score = 5, .tokens = tokens});
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_EQ((*source)->sample(0)->fields["first_token"], 0);
  EXPECT_EQ((*source)->sample(2)->fields["first_token"], n_token - 25);
  for (int i = 0; i < 3; ++i) {
    const Sample sample = *(*source)->sample(i);
    const std::string piece = sample.prompt + sample.fields["target"].get<std::string>();
    EXPECT_NE(text.find(piece), std::string::npos) << piece;
  }
  EXPECT_FALSE(
      text_pieces({.text = text, .n = 1, .n_prompt = n_token, .n_score = 1, .tokens = tokens})
          .ok());
}

TEST_F(OwnSamplesTest, PaddingStandsInFrontAndDiffers) {
  const auto make = [&] {
    auto source = cloze_samples({.path = file("{\"text\": \"a b\"}\n{\"text\": \"c d\"}\n")});
    return padded(std::move(*source), made_up_prose(40), 50, ToyTokens::tokens());
  };
  const auto source = make();
  ASSERT_TRUE(source.ok());
  const std::string first = (*source)->sample(0)->prompt, second = (*source)->sample(1)->prompt;
  EXPECT_TRUE(first.ends_with("\n\na"));
  EXPECT_TRUE(second.ends_with("\n\nc"));
  EXPECT_NE(first.substr(0, 40), second.substr(0, 40));
  EXPECT_EQ((*make())->sample(1)->prompt, second);
  EXPECT_EQ(ToyTokens::tokens().encode(first.substr(0, first.size() - 3), false)->size(), 50u);
}

}  // namespace
}  // namespace restkv
