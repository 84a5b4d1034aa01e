// Likelihoods of given texts under variants, on tiny models, beside the engine's own step by step.
#include "eval/likelihood.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "engine/perplexity.h"
#include "eval/continuation.h"
#include "tests/engine/sequences.h"
#include "tests/engine/tiny_model.h"
#include "tests/eval/letters.h"
#include "tests/eval/small_variants.h"

namespace restkv {
namespace {

using test::letters;
using test::make_compute;
using test::random_tokens;
using test::small_variants;
using test::tiny_model;

class LikelihoodTest : public ::testing::Test {
 protected:
  Result<Measured> measure(const Measure& what, const Sample& sample,
                           const std::vector<Variant>& of) {
    prompt_ = *tiny_model()->tokenizer().tokenize(sample.prompt, true, true);
    const std::string task = "task";
    const MeasureInput input{
        *tiny_model(), *compute_, task, sample, {.prompt = prompt_, .variants = of}};
    auto all = what.run({&input, 1});
    if (!all.ok()) return all.status();
    return std::move((*all)[0]);
  }

  // Nats of `text` behind the prompt, by another path of the engine.
  double nll(const Sample& sample, const std::string& text, const Variant& variant) {
    PerplexityRequest request;
    request.tokens = *tiny_model()->tokenizer().tokenize(sample.prompt + text, true, true);
    request.n_prefix =
        static_cast<int64_t>(tiny_model()->tokenizer().tokenize(sample.prompt, true, true)->size());
    request.cache = variant.plan->config;
    const auto result = perplexity(*tiny_model(), *compute_, request);
    EXPECT_TRUE(result.ok()) << result.status().message();
    return std::accumulate(result->token_nll.begin(), result->token_nll.end(), 0.0);
  }

  std::unique_ptr<Compute> compute_ = make_compute();
  std::vector<int32_t> prompt_;
};

TEST_F(LikelihoodTest, TokensOfADistribution) {
  const std::vector<float> logits = {0, std::log(2.0f), std::log(5.0f)};
  EXPECT_NEAR(score_token(logits, 1).nll, -std::log(2.0 / 8), 1e-6);
  EXPECT_FALSE(score_token(logits, 1).likeliest);
  EXPECT_TRUE(score_token(logits, 2).likeliest);
}

// Policies that cut while decoding, too, which need a reading for every option.
TEST_F(LikelihoodTest, EveryOptionFollowsThePromptAlone) {
  Sample sample;
  sample.prompt = letters(200, 1);
  const std::vector<std::string> options = {"abcdef", "zy", "mnopqrstuvwx"};
  sample.fields = {{"options", options}, {"label", 1}};
  const auto of = small_variants({"full", "snapkv", "tova", "lacache"});
  const auto measured = measure(choose_option(), sample, of);
  ASSERT_TRUE(measured.ok()) << measured.status().message();
  for (size_t v = 0; v < of.size(); ++v) {
    const SampleScore& score = measured->scores[v];
    std::vector<double> by_byte;
    for (size_t o = 0; o < options.size(); ++o) {
      const double expected = nll(sample, options[o], of[v]);
      EXPECT_NEAR(score.others["nll"][o].get<double>(), expected, 2e-3 * expected) << of[v].name;
      by_byte.push_back(score.others["nll"][o].get<double>() / options[o].size());
    }
    // "zy" is the shortest, and so the likeliest of a random model.
    EXPECT_EQ(score.value, 1);
    EXPECT_EQ(measured->answers[v].text, "zy");
    EXPECT_EQ(score.others["normalised"],
              std::ranges::min_element(by_byte) - by_byte.begin() == 1 ? 1 : 0);
    EXPECT_GT(measured->caches[v].kv_bytes, 0u);
  }
}

TEST_F(LikelihoodTest, ATargetIsForeseenWhereEachTokenIsTheLikeliest) {
  Sample sample;
  sample.prompt = letters(60, 2);
  sample.n_new = 4;
  const auto of = small_variants({"full"});
  const auto said = measure(
      generate_and_score([](const std::string&, const Sample&,
                            const std::string&) -> Result<SampleScore> { return SampleScore{}; }),
      sample, of);
  ASSERT_TRUE(said.ok());
  for (const auto& [target, right] :
       {std::pair(said->answers[0].text, 1), {said->answers[0].text + "\x01", 0}}) {
    sample.fields["target"] = target;
    const auto measured = measure(foresee_target(), sample, of);
    ASSERT_TRUE(measured.ok()) << measured.status().message();
    // A text that is no valid UTF-8 was repaired, and is other tokens.
    if (target.find("\xEF\xBF\xBD") == std::string::npos) {
      EXPECT_EQ(measured->scores[0].value, right);
    }
    EXPECT_NEAR(measured->scores[0].others["nll"].get<double>(), nll(sample, target, of[0]), 1e-2);
  }
}

TEST_F(LikelihoodTest, TheFullCacheDiffersInNothingFromItself) {
  Sample sample;
  sample.prompt = letters(200, 3);
  sample.fields["target"] = letters(24, 4);
  const auto of = small_variants({"snapkv", "full", "streaming-llm"});
  const auto measured = measure(compare_with_full(), sample, of);
  ASSERT_TRUE(measured.ok()) << measured.status().message();
  EXPECT_EQ(measured->scores[1].value, 1);
  EXPECT_EQ(measured->scores[1].others["kl"], 0.0);
  EXPECT_EQ(measured->scores[1].others["nll_change"], 0.0);
  EXPECT_GT(measured->scores[0].others["kl"].get<double>(), 0);
  EXPECT_EQ(measured->scores[0].others["kl_by_token"].size(), 24u);
  EXPECT_NEAR(measured->scores[0].others["nll"].get<double>(),
              nll(sample, sample.fields["target"], of[0]) / 24, 1e-2);
}

// The reference is read where it is not asked for, and gives the same figures.
TEST_F(LikelihoodTest, TheFullCacheNeedNotBeAmongTheVariants) {
  Sample sample;
  sample.prompt = letters(200, 5);
  sample.fields["target"] = letters(8, 6);
  const auto with = measure(compare_with_full(), sample, small_variants({"snapkv", "full"}));
  const auto without = measure(compare_with_full(), sample, small_variants({"snapkv"}));
  ASSERT_TRUE(with.ok() && without.ok());
  ASSERT_EQ(without->scores.size(), 1u);
  ASSERT_EQ(without->caches.size(), 1u);
  EXPECT_EQ(with->scores[0].others, without->scores[0].others);
}

TEST_F(LikelihoodTest, SamplesWithoutTextsAreRefused) {
  Sample sample;
  sample.prompt = "abc";
  EXPECT_FALSE(measure(choose_option(), sample, small_variants({"full"})).ok());
  EXPECT_FALSE(measure(foresee_target(), sample, small_variants({"full"})).ok());
}

}  // namespace
}  // namespace restkv
