// What is chosen when a cache is cut for the first time, be it after later turns or while decoding,
// is what one reading of the whole text chooses: the statistics that were gathered on the way are
// the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "tests/engine/sequences.h"

namespace restkv {
namespace {

using test::cache_config;
using test::random_tokens;
using test::slice;
using test::Talk;

constexpr int64_t kBudget = 120, kToken = 240;

// Entries of `a` that `b` does not have, of all heads and layers.
int64_t n_different(const KvCache& a, const KvCache& b) {
  int64_t n = 0;
  for (size_t l = 0; l < a.layers.size(); ++l) {
    for (int32_t h = 0; h < a.layers[l].n_head(); ++h) {
      std::vector<int32_t> missing;
      std::ranges::set_difference(a.layers[l].positions(h), b.layers[l].positions(h),
                                  std::back_inserter(missing));
      n += static_cast<int64_t>(missing.size());
    }
  }
  return n;
}

std::vector<CacheConfig> configs(Schedule schedule) {
  std::vector<CacheConfig> all;
  for (const auto* policy : {"rest-kv", "snapkv", "h2o", "tova", "knorm", "expected-attention",
                             "random", "streaming-llm", "adakv"}) {
    for (const auto positions : {KeyPositions::original, KeyPositions::cache}) {
      for (const auto granularity : {Granularity::kv_head, Granularity::query_head}) {
        CacheConfig config = cache_config(policy, kBudget, granularity);
        config.schedule = schedule;
        config.positions = positions;
        all.push_back(config);
      }
    }
  }
  return all;
}

// Ada rounds the number of every head, of 2 or 4 in 3 layers, on its own.
void expect_same_count(const KvCache& a, const KvCache& b) {
  EXPECT_NEAR(static_cast<double>(a.n_entry()), static_cast<double>(b.n_entry()), 6);
}

// Scores that lie next to each other may change places by the rounding of f16; that the choice is
// no accident shows in what another query, or another rotation of it, does: a tenth and more.
void expect_same_choice(const Talk& talk, CacheConfig config, std::span<const int32_t> tokens) {
  config.schedule = Schedule{Schedule::Kind::prompt};
  Talk whole(config, talk.model);
  whole.read(tokens);
  expect_same_count(talk.cache(), whole.cache());
  EXPECT_LE(n_different(talk.cache(), whole.cache()), talk.cache().n_entry() / 50);
}

TEST(Choice, AfterLaterTurnsIsThatOfOneReading) {
  const auto tokens = random_tokens(kToken, 1);
  for (const auto& model : {test::tiny_model(), test::gemma_model()}) {
    for (const CacheConfig& config : configs({Schedule::Kind::turn})) {
      SCOPED_TRACE(testing::Message() << config.policy.name << ' ' << int(*config.positions));
      Talk talk(config, model);
      talk.read(slice(tokens, 0, 50));
      talk.read(slice(tokens, 50, 70));
      talk.read(slice(tokens, 120, kToken - 120));
      expect_same_choice(talk, config, tokens);
    }
  }
}

TEST(Choice, WhileDecodingIsThatOfOneReading) {
  const auto tokens = random_tokens(kToken, 2);
  for (const auto& model : {test::tiny_model(), test::gemma_model()}) {
    for (const CacheConfig& config : configs({Schedule::Kind::decode, kToken - 110})) {
      SCOPED_TRACE(testing::Message() << config.policy.name << ' ' << int(*config.positions));
      Talk talk(config, model);
      talk.read(slice(tokens, 0, 110));
      for (int64_t i = 110; i < kToken; ++i)
        talk.decode(tokens[i]);
      expect_same_choice(talk, config, tokens);
    }
  }
}

// The turns of a conversation, and the same tokens decoded, are cut alike every time. An entry that
// is kept here and not there moves every key behind it where keys stand at their index: what is
// different after one turn makes more different in the next.
TEST(Choice, OfEveryCutIsTheSameReadOrDecoded) {
  for (const CacheConfig& config : configs({Schedule::Kind::turn})) {
    SCOPED_TRACE(testing::Message() << config.policy.name << ' ' << int(*config.positions));
    CacheConfig decodes = config;
    decodes.schedule = Schedule{Schedule::Kind::decode, 65};
    const bool by_index = config.positions == KeyPositions::cache;
    Talk read(config), decoded(decodes);
    const auto first = random_tokens(150, 3);
    read.read(first);
    decoded.read(first);
    for (uint32_t turn = 0; turn < 3; ++turn) {
      const auto tokens = random_tokens(65, 4 + turn);
      read.read(tokens);
      for (const int32_t token : tokens)
        decoded.decode(token);
      expect_same_count(read.cache(), decoded.cache());
      const int64_t allowed = read.cache().n_entry() / (by_index && turn > 0 ? 10 : 50);
      EXPECT_LE(n_different(read.cache(), decoded.cache()), allowed) << "turn " << turn;
    }
  }
}

}  // namespace
}  // namespace restkv
