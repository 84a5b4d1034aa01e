// Conversations of several variants, on a tiny model, beside sessions of the engine's own; answers
// that end before given texts.
#include "eval/conversation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "scores/text.h"
#include "tests/engine/sequences.h"
#include "tests/engine/tiny_model.h"
#include "tests/eval/letters.h"
#include "tests/eval/small_variants.h"

namespace restkv {
namespace {

using test::letters;
using test::make_compute;
using test::random_tokens;
using test::tiny_model;

std::vector<Variant> variants(std::optional<Schedule> schedule) {
  return test::small_variants({"full", "rest-kv", "snapkv"}, {32}, schedule);
}

const std::vector<Turn>& turns() {
  static const std::vector<Turn> three = {
      {.question = letters(200, 1), .answer_prefix = {}, .n_new = 12},
      {.question = letters(30, 2), .answer_prefix = "p", .n_new = 20, .stop = {"e"}},
      {.question = letters(60, 3), .answer_prefix = {}, .n_new = 9}};
  return three;
}

std::vector<int32_t> tokens_of(const std::string& text, bool first = false) {
  return *tiny_model()->tokenizer().tokenize(text, first, true);
}

// One variant's answers, read and decoded by a session.
std::vector<std::string> plain_answers(const Variant& variant) {
  test::Talk talk(variant.plan->config);
  std::vector<std::string> answers;
  int32_t unread = -1;  // -1: none
  for (const Turn& turn : turns()) {
    auto ids = tokens_of(turn.question + turn.answer_prefix, answers.empty());
    if (unread >= 0) ids.insert(ids.begin(), unread);
    unread = -1;
    std::vector<float> logits = talk.read(ids);
    const Tokenizer& tokenizer = tiny_model()->tokenizer();
    std::string text;
    for (int n = 0; n < turn.n_new; ++n) {
      if (unread >= 0) logits = talk.decode(std::exchange(unread, -1));
      if (n == 0) logits.back() = -1e9f;  // <|end|> is barred from the first token
      const auto best = static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin());
      if (tokenizer.is_end(best)) break;
      unread = best;
      text += tokenizer.piece(best);
      if (!turn.stop.empty() && text.find(turn.stop[0]) != std::string::npos) break;
    }
    if (!turn.stop.empty()) text.resize(std::min(text.size(), text.find(turn.stop[0])));
    answers.push_back(turn.answer_prefix + encode_utf8(decode_utf8(text)));
  }
  return answers;
}

// By name, as the bytes of a schedule would make other names of the same tests in every run.
class ConversationTest : public ::testing::TestWithParam<std::string> {
 protected:
  static std::optional<Schedule> schedule() {
    if (GetParam() == "turn") return Schedule{Schedule::Kind::turn, 0};
    if (GetParam() == "decode") return Schedule{Schedule::Kind::decode, 4};
    return std::nullopt;
  }
};

TEST_P(ConversationTest, EachVariantHasItsOwn) {
  const auto of = variants(schedule());
  const auto compute = make_compute();
  Sample sample;
  sample.prompt = turns()[0].question;
  const auto prompt = tokens_of(sample.prompt, true);
  const Measure measure =
      converse({.style = PromptStyle::raw,
                .turns = [](const Sample&) { return Result<std::vector<Turn>>(turns()); },
                .score = [](const Sample&, size_t turn, const std::string&) -> Result<SampleScore> {
                  SampleScore score;
                  score.value = turn == 1 ? 0 : 1;
                  if (turn == 2) score.others["result"] = "passed";
                  return score;
                }});
  const std::string task = "task";
  const MeasureInput input{
      *tiny_model(), *compute, task, sample, {.prompt = prompt, .variants = of}};
  const auto all = measure.run({&input, 1});
  ASSERT_TRUE(all.ok()) << all.status().message();
  const Measured* measured = &(*all)[0];
  for (size_t v = 0; v < of.size(); ++v) {
    const auto& others = measured->scores[v].others;
    const auto answers = others["answers"].get<std::vector<std::string>>();
    EXPECT_EQ(answers, plain_answers(of[v])) << of[v].name;
    EXPECT_NEAR(*measured->scores[v].value, 2.0 / 3, 1e-12);
    EXPECT_EQ(others["turn_1"], 1);
    EXPECT_EQ(others["turn_2"], 0);
    EXPECT_EQ(others["turn_3"], 1);
    EXPECT_EQ(others["result"], "passed");
    EXPECT_GT(measured->caches[v].n_entry, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Schedules, ConversationTest,
                         ::testing::Values("the policy's own", "turn", "decode"));

// Two neighbouring letters of a text, the first pair at or behind `from`; empty: there is none.
std::string letters_of(const std::string& text, size_t from) {
  for (size_t at = from; at + 2 <= text.size(); ++at)
    if (text[at] > 0 && text[at + 1] > 0) return text.substr(at, 2);
  return {};
}

TEST(Answers, EndBeforeAText) {
  const auto of = variants({});
  const auto compute = make_compute();
  int n_cut = 0;
  for (uint32_t seed = 0; seed < 8; ++seed) {
    const auto prompt = random_tokens(60, seed);
    AnswersRequest request{.reading = {.prompt = prompt, .variants = of}, .n_new = 40};
    const auto whole = answer_all(*tiny_model(), *compute, {&request, 1});
    ASSERT_TRUE(whole.ok());
    const VariantAnswer& all = (*whole)[0].of[0];
    const std::string& text = all.text;
    request.stop = {letters_of(text, 12), letters_of(text, 4)};
    if (request.stop[0].empty() || request.stop[1].empty()) continue;
    // The earlier one ends it, whatever their order.
    const auto cut = answer_all(*tiny_model(), *compute, {&request, 1});
    ASSERT_TRUE(cut.ok());
    const size_t end = std::min(text.find(request.stop[0]), text.find(request.stop[1]));
    const VariantAnswer& ended = (*cut)[0].of[0];
    EXPECT_EQ(ended.text, text.substr(0, end));
    EXPECT_STREQ(ended.finish_reason, "stop");
    EXPECT_LT(ended.n_new, all.n_new);
    ++n_cut;
  }
  EXPECT_GT(n_cut, 0);
}

}  // namespace
}  // namespace restkv
