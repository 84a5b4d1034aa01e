// A text read in turns is the text read at once, as long as nothing is evicted.
#include <gtest/gtest.h>

#include "tests/engine/sequences.h"

namespace restkv {
namespace {

using test::cache_config;
using test::random_tokens;
using test::relative_error;
using test::slice;
using test::Talk;

// Turns of 64 tokens and more take the exact path through ggml's attention, shorter ones sum up in
// f16 (as decoding does), which layers of random weights multiply.
constexpr double kExact = 1e-3, kShort = 1e-2;

// Rows of the first layer depend on their token alone and differ by rounding to f16, 2^-11; those
// above carry what attention has added up, some rows of a thousand more than the logits.
void expect_close_rows(const KvCache& a, const KvCache& b, double of_logits) {
  ASSERT_EQ(a.layers.size(), b.layers.size());
  for (size_t l = 0; l < a.layers.size(); ++l) {
    const LayerCache &x = a.layers[l], &y = b.layers[l];
    const double tolerance = l == 0 ? 1.0 / 2048 : 6 * of_logits;
    ASSERT_EQ(x.n_head(), y.n_head());
    for (int32_t h = 0; h < x.n_head(); ++h) {
      ASSERT_EQ(x.count(h), y.count(h));
      for (int32_t i = 0; i < x.count(h); ++i) {
        ASSERT_EQ(x.positions(h)[i], y.positions(h)[i]);
        ASSERT_LT(
            relative_error(test::floats_of(x, x.k_row(h, i)), test::floats_of(y, y.k_row(h, i))),
            tolerance);
        ASSERT_LT(
            relative_error(test::floats_of(x, x.v_row(h, i)), test::floats_of(y, y.v_row(h, i))),
            tolerance);
      }
    }
  }
}

struct Case {
  std::vector<int64_t> turns;
  double tolerance;
};

void expect_turns_equal_one_reading(const Case& c, const std::shared_ptr<const Model>& model,
                                    Granularity granularity, const std::string& policy) {
  int64_t n = 0;
  for (const int64_t turn : c.turns)
    n += turn;
  const auto tokens = random_tokens(n, 1);
  const CacheConfig config = cache_config(policy, 1 << 20, granularity);
  Talk whole(config, model), turns(config, model);
  const auto expected = whole.read(tokens);
  std::vector<float> logits;
  int64_t first = 0;
  for (const int64_t turn : c.turns) {
    logits = turns.read(slice(tokens, first, turn));
    first += turn;
  }
  EXPECT_LT(relative_error(logits, expected), c.tolerance);
  expect_close_rows(turns.cache(), whole.cache(), c.tolerance);
}

const Case kCases[] = {{{100, 80}, kExact}, {{64, 64, 64, 64}, kExact}, {{700, 640}, kExact},
                       {{30, 600}, kExact}, {{100, 20, 1, 9}, kShort},  {{1, 1, 1, 62}, kShort}};

TEST(Extension, TurnsOfAFullCacheEqualOneReading) {
  for (const Case& c : kCases) {
    for (const auto& model :
         {test::tiny_model(), test::wide_model(), test::qwen_model(), test::gemma_model()}) {
      for (const auto granularity : {Granularity::kv_head, Granularity::query_head}) {
        SCOPED_TRACE(testing::Message() << model->hparams().arch << ", " << c.turns.size()
                                        << " turns, the first of " << c.turns[0]);
        expect_turns_equal_one_reading(c, model, granularity, "full");
      }
    }
  }
}

// A policy that has nothing to evict yet reads as the full cache does.
TEST(Extension, TurnsBelowTheBudgetEqualOneReading) {
  for (const std::string_view policy : policy_names()) {
    SCOPED_TRACE(policy);
    expect_turns_equal_one_reading(kCases[0], test::tiny_model(), Granularity::query_head,
                                   std::string(policy));
  }
}

// Decoding what another session reads.
TEST(Extension, DecodedTokensEqualReadOnes) {
  const auto tokens = random_tokens(150, 2);
  Talk read(cache_config("full", 1)), decoded(cache_config("full", 1));
  const auto expected = read.read(tokens);
  decoded.read(slice(tokens, 0, 120));
  std::vector<float> logits;
  for (int64_t i = 120; i < 150; ++i)
    logits = decoded.decode(tokens[i]);
  EXPECT_LT(relative_error(logits, expected), kShort);
  expect_close_rows(decoded.cache(), read.cache(), kShort);
}

// Caps that are all the same are a uniform split, to the bit.
TEST(Extension, TableOfEqualHeadsEqualsTheUniformSplit) {
  for (const auto kind : {Schedule::Kind::prompt, Schedule::Kind::turn, Schedule::Kind::decode}) {
    for (const auto positions : {KeyPositions::original, KeyPositions::cache}) {
      CacheConfig config = cache_config("snapkv", 48, Granularity::query_head);
      config.schedule = Schedule{kind, 5};
      config.positions = positions;
      Talk uniform(config);
      config.head_budget = HeadBudget{.kind = HeadBudget::Kind::table,
                                      .table = {3, std::vector<int64_t>(4, 48 - 8)}};
      Talk table(config);
      for (const int64_t n : {150, 70, 9}) {
        EXPECT_EQ(table.read(random_tokens(n, 3)), uniform.read(random_tokens(n, 3)));
        for (int32_t i = 0; i < 12; ++i)
          ASSERT_EQ(table.decode(i), uniform.decode(i));
      }
      test::expect_equal(table.cache(), uniform.cache());
    }
  }
}

}  // namespace
}  // namespace restkv
