// When a cache is cut: after a turn, every few decoded tokens, every few tokens of a prompt.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/engine/sequences.h"

namespace restkv {
namespace {

using test::cache_config;
using test::random_tokens;
using test::slice;
using test::Talk;

constexpr int64_t kBudget = 48;

CacheConfig scheduled(const std::string& policy, Schedule::Kind kind, int64_t every = 0) {
  CacheConfig config = cache_config(policy, kBudget);
  config.schedule = Schedule{kind, every};
  return config;
}

// Bytes of `n` entries in every head of the tiny model, all layers.
size_t bytes_of(int64_t n) {
  return static_cast<size_t>(n) * 3 * 2 * 2 * 16 * sizeof(uint16_t);
}

// Those that cut every layer and never keep more than the budget of their own accord.
const auto kWithinBudget = {"rest-kv",       "snapkv", "h2o",     "streaming-llm",
                            "tova",          "cam",    "knorm",   "expected-attention",
                            "h2o-noncausal", "random", "lacache", "pyramidkv"};

TEST(TurnSchedule, FiveTurnsStayWithinTheBudgetAtEveryAnswer) {
  const std::vector<int64_t> turns{300, 20, 75, 1, 140};
  for (const auto* policy : kWithinBudget) {
    SCOPED_TRACE(policy);
    CacheConfig config = scheduled(policy, Schedule::Kind::turn);
    config.strict = true;
    Talk talk(config);
    size_t between = 0;
    for (size_t turn = 0; turn < turns.size(); ++turn) {
      talk.read(random_tokens(turns[turn], static_cast<uint32_t>(turn)));
      EXPECT_LE(talk.cache().used_bytes(), bytes_of(kBudget)) << "turn " << turn;
      for (int32_t i = 0; i < 10; ++i)
        talk.decode(i);
      between = std::max(between, talk.cache().used_bytes());
    }
    EXPECT_LE(between, bytes_of(kBudget + 10));
    EXPECT_EQ(talk.session->n_token(), 300 + 20 + 75 + 1 + 140 + 50);
  }
}

// Beside what is kept, one layer is read at a time: its entries and the turn's, and in a moment the
// layer that replaces it.
TEST(TurnSchedule, PeakIsTheBudgetAndOneLayerOfTheLongestTurn) {
  Talk talk(scheduled("snapkv", Schedule::Kind::turn));
  for (int turn = 0; turn < 5; ++turn)
    talk.read(random_tokens(200, 1));
  const size_t layer = bytes_of(1) / 3;
  EXPECT_LE(talk.session->meter().peak_bytes(), bytes_of(kBudget) + layer * (2 * kBudget + 200));
}

TEST(TurnSchedule, FirstTurnEqualsPromptToTheBit) {
  const auto tokens = random_tokens(333, 5);
  for (const std::string_view policy : policy_names()) {
    SCOPED_TRACE(policy);
    Talk turn(scheduled(std::string(policy), Schedule::Kind::turn));
    Talk prompt(scheduled(std::string(policy), Schedule::Kind::prompt));
    EXPECT_EQ(turn.read(tokens), prompt.read(tokens));
    test::expect_equal(turn.cache(), prompt.cache());
    for (int32_t i = 0; i < 5; ++i)
      ASSERT_EQ(turn.decode(i), prompt.decode(i));
    test::expect_equal(turn.cache(), prompt.cache());
  }
}

TEST(PromptSchedule, WhatFollowsThePromptGrows) {
  Talk talk(scheduled("snapkv", Schedule::Kind::prompt));
  talk.read(random_tokens(200, 1));
  talk.read(random_tokens(70, 2));
  talk.decode(1);
  EXPECT_EQ(talk.cache().used_bytes(), bytes_of(kBudget + 71));
}

TEST(DecodeSchedule, NeverAboveBudgetAndPeriodAndBackAtTheBudget) {
  for (const auto* policy : kWithinBudget) {
    for (const int64_t every : {1, 7, 30}) {
      SCOPED_TRACE(testing::Message() << policy << " every " << every);
      CacheConfig config = scheduled(policy, Schedule::Kind::decode, every);
      config.strict = true;
      Talk talk(config);
      talk.read(random_tokens(150, 3));
      for (int64_t i = 1; i <= 70; ++i) {
        talk.decode(static_cast<int32_t>(i));
        ASSERT_LE(talk.cache().used_bytes(), bytes_of(kBudget + i % every)) << "token " << i;
      }
    }
  }
}

TEST(DecodeSchedule, ShortPromptGrowsToTheBudgetFirst) {
  Talk talk(scheduled("snapkv", Schedule::Kind::decode, 4));
  talk.read(random_tokens(kBudget - 10, 3));
  for (int64_t i = 1; i <= 40; ++i) {
    talk.decode(7);
    const int64_t n = kBudget - 10 + i;
    const int64_t expected = n < kBudget + 2 ? n : kBudget + i % 4;
    ASSERT_EQ(talk.cache().used_bytes(), bytes_of(expected)) << "token " << i;
  }
}

// Bytes after every token of `n` periods, the room to grow included.
std::vector<size_t> metered(const CacheConfig& config, int64_t n_token) {
  Talk talk(config);
  talk.read(random_tokens(200, 3));
  std::vector<size_t> bytes;
  for (int64_t i = 0; i < n_token; ++i) {
    talk.decode(static_cast<int32_t>(i * 37 % 256));
    bytes.push_back(talk.session->meter().current_bytes());
  }
  return bytes;
}

TEST(DecodeSchedule, MeterStandsStillOverHundredsOfTokens) {
  for (const auto* policy : {"snapkv", "rest-kv", "h2o", "streaming-llm", "tova"}) {
    SCOPED_TRACE(policy);
    const auto bytes = metered(scheduled(policy, Schedule::Kind::decode, 8), 400);
    for (const size_t now : bytes)
      ASSERT_EQ(now, bytes_of(kBudget + 8));
  }
}

TEST(DecodeSchedule, MeterIsBoundedForRaggedHeads) {
  CacheConfig config = scheduled("adakv", Schedule::Kind::decode, 8);
  config.strict = true;
  const auto bytes = metered(config, 400);
  EXPECT_LE(*std::ranges::max_element(bytes), bytes_of(kBudget + 2 * 8));
}

TEST(ChunkSchedule, PeakDoesNotDependOnTheLengthOfThePrompt) {
  for (const auto positions : {KeyPositions::original, KeyPositions::cache}) {
    for (const auto* policy : {"snapkv", "rest-kv", "h2o", "streaming-llm"}) {
      SCOPED_TRACE(policy);
      CacheConfig config = scheduled(policy, Schedule::Kind::chunk, 200);
      config.positions = positions;
      Talk brief(config), lengthy(config);
      brief.read(random_tokens(1000, 4));
      lengthy.read(random_tokens(8000, 4));
      EXPECT_EQ(lengthy.session->meter().peak_bytes(), brief.session->meter().peak_bytes());
      EXPECT_EQ(lengthy.cache().used_bytes(), bytes_of(kBudget));
    }
  }
}

TEST(ChunkSchedule, EqualsExtendingByHand) {
  const auto tokens = random_tokens(310, 6);
  for (const std::string_view policy : policy_names()) {
    if (policy == "full") continue;  // nothing to cut, read at once
    SCOPED_TRACE(policy);
    Talk chunks(scheduled(std::string(policy), Schedule::Kind::chunk, 100));
    Talk turns(scheduled(std::string(policy), Schedule::Kind::turn));
    const auto logits = chunks.read(tokens);
    std::vector<float> by_hand;
    for (int64_t first = 0; first < 310; first += 100)
      by_hand = turns.read(slice(tokens, first, std::min<int64_t>(100, 310 - first)));
    EXPECT_EQ(logits, by_hand);
    test::expect_equal(chunks.cache(), turns.cache());
  }
}

// Logits of all tokens, which must come in order, in one reading or many.
std::vector<float> all_logits(const CacheConfig& config, std::span<const int32_t> tokens) {
  Talk talk(config);
  std::vector<float> all;
  const auto keep = [&](int64_t first, TensorView<const float, 2> rows) -> Status {
    EXPECT_EQ(first, static_cast<int64_t>(all.size() / 257));
    all.insert(all.end(), rows.data, rows.data + rows.size());
    return {};
  };
  const Status status = talk.session->read({.tokens = tokens, .on_logits = keep});
  EXPECT_TRUE(status.ok()) << status.message();
  return all;
}

// Chunks of 64 tokens and more take the same path through ggml's attention as one long reading.
TEST(ChunkSchedule, HandsOutLogitsOfEveryToken) {
  const auto tokens = random_tokens(180, 6);
  CacheConfig config = scheduled("snapkv", Schedule::Kind::chunk, 70);
  config.budget = 100;
  const auto chunks = all_logits(config, tokens);
  const auto whole = all_logits(scheduled("full", Schedule::Kind::prompt), tokens);
  ASSERT_EQ(whole.size(), 180u * 257);
  ASSERT_EQ(chunks.size(), whole.size());
  // Nothing has been evicted before the third chunk is read.
  const size_t n = 140u * 257;
  EXPECT_LT(test::relative_error({chunks.data(), n}, {whole.data(), n}), 1e-3);
}

TEST(Strict, NeverAboveTheBudgetInAnySplit) {
  for (const std::string_view policy : policy_names()) {
    if (policy == "full") continue;
    for (const auto layers :
         {LayerBudget::Kind::uniform, LayerBudget::Kind::pyramid, LayerBudget::Kind::table}) {
      for (const auto heads :
           {HeadBudget::Kind::uniform, HeadBudget::Kind::ada, HeadBudget::Kind::table}) {
        for (const auto granularity : {Granularity::kv_head, Granularity::query_head}) {
          CacheConfig config = cache_config(std::string(policy), kBudget, granularity);
          config.strict = true;
          config.layer_budget = LayerBudget{layers, 5, {90, 10 + kBudget, 40}};
          config.head_budget = HeadBudget{heads, 0.2, true, {3, {60, 30, 90, 100}}};
          config.schedule = Schedule{Schedule::Kind::turn};
          if (!CachePlan::make(config).ok()) continue;  // the combination tests say which
          SCOPED_TRACE(testing::Message() << policy << int(layers) << int(heads));
          Talk talk(config);
          for (const int64_t n : {150, 30}) {
            talk.read(random_tokens(n, 9));
            const int64_t n_head = granularity == Granularity::kv_head ? 2 : 4;
            EXPECT_LE(talk.cache().n_entry(), n_head * kBudget * 3);
            EXPECT_EQ(talk.session->over_budget(), 0);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace restkv
