// Answers of several variants at once, on tiny models.
#include "eval/answers.h"

#include <gtest/gtest.h>

#include "engine/decode.h"
#include "kernels/dispatch.h"
#include "tests/engine/sequences.h"
#include "tests/engine/tiny_model.h"
#include "tests/eval/small_variants.h"

namespace restkv {
namespace {

using test::make_compute;
using test::random_tokens;
using test::small_variants;
using test::tiny_model;

Answers answer(const std::vector<int32_t>& prompt, const std::vector<Variant>& of, int n_new,
               bool stop_at_newline = false) {
  const auto compute = make_compute();
  const AnswersRequest request{.reading = {.prompt = prompt, .variants = of},
                               .n_new = n_new,
                               .stop_at_newline = stop_at_newline};
  auto answers = answer_all(*tiny_model(), *compute, {&request, 1});
  EXPECT_TRUE(answers.ok()) << answers.status().message();
  return answers.ok() ? std::move((*answers)[0]) : Answers{};
}

// One variant by the engine's own means.
std::string plain_answer(const std::vector<int32_t>& prompt, const Variant& variant, int n_new) {
  const auto model = tiny_model();
  const auto compute = make_compute();
  auto read = prefill(*model, *compute, {.tokens = prompt}, {&variant.plan, 1},
                      std::make_shared<KvMeter>());
  EXPECT_TRUE(read.ok());
  std::vector<float> logits = read->read.last_logits;
  std::vector<int32_t> tokens;
  while (static_cast<int>(tokens.size()) < n_new) {
    if (tokens.empty()) logits.back() = -1e9f;  // <|end|> is barred from the first token
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    if (model->tokenizer().is_end(static_cast<int32_t>(best))) break;
    tokens.push_back(static_cast<int32_t>(best));
    const DecodeSlot slot{&read->sequences[0], tokens.back()};
    EXPECT_TRUE(decode(*model, *compute, {&slot, 1}, &logits).ok());
  }
  return model->tokenizer().text(tokens);
}

TEST(Answers, EachIsWhatItsVariantGivesAlone) {
  const auto prompt = random_tokens(300, 3);
  const auto of = small_variants({"full", "rest-kv", "rest-kv+ada", "snapkv", "adakv", "pyramidkv",
                                  "cam", "random", "tova", "h2o", "streaming-llm"},
                                 {32, 64});
  const Answers together = answer(prompt, of, 24);
  ASSERT_EQ(together.of.size(), of.size());
  for (size_t v = 0; v < of.size(); ++v) {
    const Answers alone = answer(prompt, {of[v]}, 24);
    EXPECT_EQ(together.of[v].text, alone.of[0].text) << of[v].name;
    EXPECT_EQ(together.caches[v].kv_bytes, alone.caches[0].kv_bytes);
    EXPECT_EQ(together.caches[v].n_entry, alone.caches[0].n_entry);
    if (together.of[v].text.find("\xEF\xBF\xBD") != std::string::npos) continue;
    EXPECT_EQ(together.of[v].text, plain_answer(prompt, of[v], 24)) << of[v].name;
  }
}

// A prompt that is read in chunks sees a cut cache before its end: not one reading for all.
TEST(Answers, ChunkedVariantsReadAlone) {
  const auto prompt = random_tokens(300, 4);
  const Schedule chunks{Schedule::Kind::chunk, 100};
  auto of = small_variants({"snapkv"}, {32, 64}, chunks);
  of.push_back(small_variants({"full"}, {32})[0]);
  const Answers together = answer(prompt, of, 12);
  for (size_t v = 0; v < of.size(); ++v)
    EXPECT_EQ(together.of[v].text, answer(prompt, {of[v]}, 12).of[0].text) << of[v].name;
}

TEST(Answers, BudgetsShowInTheCache) {
  const auto of = small_variants({"full", "rest-kv"}, {64});
  const Answers answers = answer(random_tokens(300, 5), of, 4);
  const HParams& hp = tiny_model()->hparams();
  EXPECT_EQ(answers.caches[0].n_entry, int64_t{300} * hp.n_layer * hp.n_head_kv);
  EXPECT_EQ(answers.caches[1].n_entry, int64_t{64} * hp.n_layer * hp.n_head_kv);
  EXPECT_EQ(answers.caches[1].over_budget, 0);
}

TEST(Answers, EndsAtTheLimit) {
  const Answers answers = answer(random_tokens(50, 6), small_variants({"full"}, {32}), 3);
  EXPECT_EQ(answers.of[0].n_new, 3);
  EXPECT_STREQ(answers.of[0].finish_reason, "length");
}

// Long enough answers of a random model hold newlines: none may be in the text, none at its start.
TEST(Answers, EndsBeforeANewline) {
  for (uint32_t seed = 0; seed < 8; ++seed) {
    const auto prompt = random_tokens(40, seed);
    const auto of = small_variants({"full"}, {32});
    const Answers whole = answer(prompt, of, 60), cut = answer(prompt, of, 60, true);
    EXPECT_EQ(cut.of[0].text.find('\n'), std::string::npos);
    EXPECT_FALSE(cut.of[0].text.empty());
    if (whole.of[0].text[0] == '\n') continue;
    EXPECT_EQ(cut.of[0].text, whole.of[0].text.substr(0, whole.of[0].text.find('\n')));
  }
}

// Logits of one decoded step, of sequences together and of each alone: the largest difference.
double batch_difference(Kernels kernels, int n_threads) {
  const auto model = test::load_tiny_model({.type = GGML_TYPE_Q8_0}, kernels);
  const auto compute = make_compute(nullptr, n_threads, kernels);
  const auto of =
      small_variants({"full", "snapkv", "rest-kv", "tova", "streaming-llm"}, {32, 64, 200});
  std::vector<std::shared_ptr<const CachePlan>> plans;
  for (const Variant& variant : of)
    plans.push_back(variant.plan);
  const auto prompt = random_tokens(700, 8);
  const auto read = [&] {
    return prefill(*model, *compute, {.tokens = prompt}, plans, std::make_shared<KvMeter>());
  };
  auto batch = read(), single = read();
  std::vector<DecodeSlot> slots;
  for (size_t i = 0; i < plans.size(); ++i)
    slots.push_back({&batch->sequences[i], static_cast<int32_t>(40 + i)});
  std::vector<float> together, alone;
  EXPECT_TRUE(decode(*model, *compute, slots, &together).ok());
  double worst = 0;
  for (size_t i = 0; i < plans.size(); ++i) {
    const DecodeSlot slot{&single->sequences[i], slots[i].token};
    EXPECT_TRUE(decode(*model, *compute, {&slot, 1}, &alone).ok());
    for (size_t k = 0; k < alone.size(); ++k)
      worst = std::max(worst, std::abs(double{together[i * alone.size() + k]} - alone[k]));
  }
  return worst;
}

// With kernels of ours a vector's products do not depend on those beside it. What depends on the
// batch is where the entries of a head are cut into parts for the threads.
TEST(Answers, OneThreadGivesTheSameBitsInAnyBatch) {
  const bool own_products = kernels::best_kernels().name == "avx512_bf16";
  const double one = batch_difference(Kernels::automatic, 1);
  EXPECT_LE(one, own_products ? 0 : 1e-4);
  EXPECT_LT(batch_difference(Kernels::automatic, 2), 1e-4);
}

TEST(Answers, MemoryGrowsWithVariantsAndAnswers) {
  const HParams& hp = tiny_model()->hparams();
  const auto one = small_variants({"full"}, {32}), two = small_variants({"full", "snapkv"}, {32});
  const PlannedReading reading{.n_token = 1000};
  const size_t least = plan_variants(hp, reading, 10, 1, one).total_bytes();
  EXPECT_GT(plan_variants(hp, reading, 10, 1, two).total_bytes(), least);
  EXPECT_GT(plan_variants(hp, reading, 100, 1, one).total_bytes(), least);
}

}  // namespace
}  // namespace restkv
