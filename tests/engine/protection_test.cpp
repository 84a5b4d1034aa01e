// Sinks and pinned tokens stay in every head of every layer, or the budget is refused.
#include <gtest/gtest.h>

#include "tests/engine/sequences.h"

namespace restkv {
namespace {

using test::cache_config;
using test::random_tokens;
using test::Talk;

void expect_protected(const Talk& talk) {
  const Protection& protection = talk.session->plan().config.protection;
  for (const LayerCache& layer : talk.cache().layers) {
    for (int32_t h = 0; h < layer.n_head(); ++h) {
      for (int32_t p = 0; p < talk.cache().next_position; ++p) {
        if (!protection.holds(p)) continue;
        ASSERT_GE(test::find_entry(layer, h, p), 0) << "position " << p << ", head " << h;
      }
    }
  }
}

// Pins that overlap each other and the sinks, that reach beyond the first prompt's window and end,
// that come with the second prompt, with decoded tokens, and never.
Protection everywhere() {
  return {.n_sink = 3,
          .pins = {{2, 5}, {20, 24}, {22, 26}, {96, 108}, {113, 115}, {150, 153}, {9000, 9002}}};
}

// Reads 100 tokens, decodes 16, reads 60, decodes 4.
void run(const CacheConfig& config) {
  Talk talk(config);
  for (const auto& [n_read, n_decode] : {std::pair{100, 16}, {60, 4}}) {
    talk.read(random_tokens(n_read, 1));
    expect_protected(talk);
    for (int32_t i = 0; i < n_decode; ++i) {
      talk.decode(i);
      expect_protected(talk);
    }
  }
}

TEST(Protection, HoldsForEveryPolicyScheduleAndGranularity) {
  constexpr Schedule kSchedules[] = {{Schedule::Kind::prompt},
                                     {Schedule::Kind::turn},
                                     {Schedule::Kind::decode, 1},
                                     {Schedule::Kind::chunk, 10}};
  for (const std::string_view policy : policy_names()) {
    for (const Schedule& schedule : kSchedules) {
      for (const auto granularity : {Granularity::kv_head, Granularity::query_head}) {
        SCOPED_TRACE(testing::Message() << policy << " schedule " << int(schedule.kind));
        CacheConfig config = cache_config(std::string(policy), 50, granularity);
        config.schedule = schedule;
        config.protection = everywhere();
        run(config);
      }
    }
  }
}

TEST(Protection, HoldsInEverySplit) {
  for (const auto* policy : {"snapkv", "rest-kv", "h2o", "cam", "random", "l2norm"}) {
    for (const auto layers : {LayerBudget::Kind::pyramid, LayerBudget::Kind::table}) {
      for (const auto heads : {HeadBudget::Kind::ada, HeadBudget::Kind::table}) {
        for (const bool strict : {false, true}) {
          SCOPED_TRACE(testing::Message() << policy << int(layers) << int(heads) << strict);
          CacheConfig config = cache_config(policy, 50);
          config.layer_budget = LayerBudget{layers, 20, {48, 60, 50}};
          config.head_budget = HeadBudget{heads, 0.0, true, {3, {40, 60}}};
          config.strict = strict;
          config.schedule = Schedule{Schedule::Kind::decode, 3};
          config.protection = everywhere();
          run(config);
        }
      }
    }
  }
}

// Where nothing is left to choose, every head keeps the protected entries and the window.
TEST(Protection, ABudgetThatJustHoldsThemKeepsThemAlone) {
  CacheConfig config = cache_config("snapkv", 8 + 6);
  config.protection = {.n_sink = 2, .pins = {{10, 14}}};
  Talk talk(config);
  talk.read(random_tokens(100, 1));
  const std::vector<int32_t> expected{0, 1, 10, 11, 12, 13, 92, 93, 94, 95, 96, 97, 98, 99};
  for (const LayerCache& layer : talk.cache().layers) {
    const auto kept = layer.positions(1);
    EXPECT_EQ(std::vector<int32_t>(kept.begin(), kept.end()), expected);
  }
}

Status refusal(CacheConfig config, Protection protection) {
  config.protection = std::move(protection);
  return CachePlan::make(std::move(config)).status();
}

void expect_names_protection(const Status& status) {
  EXPECT_EQ(status.kind(), ErrorKind::capacity);
  EXPECT_NE(status.message().find("--kv-pin"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("--kv-sink"), std::string::npos) << status.message();
}

TEST(Protection, BudgetsThatDoNotHoldItAreRefused) {
  for (const std::string_view policy : policy_names()) {
    if (policy == "full") continue;
    SCOPED_TRACE(policy);
    const CacheConfig config = cache_config(std::string(policy), 30);
    expect_names_protection(refusal(config, {.n_sink = 31, .pins = {}}));
    expect_names_protection(refusal(config, {.n_sink = 16, .pins = {{10, 25}, {100, 106}}}));
    EXPECT_TRUE(refusal(config, {.n_sink = 10, .pins = {{4, 18}, {17, 21}}}).ok());
  }
}

// A table can starve one head or layer alone, which shows when that layer is cut.
TEST(Protection, TablesThatDoNotHoldItAreRefused) {
  CacheConfig heads = cache_config("snapkv", 50), layers = heads;
  heads.head_budget =
      HeadBudget{.kind = HeadBudget::Kind::table, .table = {{40, 40}, {40, 5}, {40, 40}}};
  layers.layer_budget = LayerBudget{.kind = LayerBudget::Kind::table, .table = {50, 50, 12}};
  for (CacheConfig& config : {std::ref(heads), std::ref(layers)}) {
    config.protection = {.n_sink = 6, .pins = {}};
    Talk talk(config);
    const auto tokens = random_tokens(100, 1);
    expect_names_protection(talk.session->read({.tokens = tokens}));
  }
}

TEST(Protection, PinsThatAreNoSpansAreUsageErrors) {
  const CacheConfig config = cache_config("snapkv", 30);
  for (const Protection::Span pin : {Protection::Span{-1, 3}, {5, 5}, {6, 5}}) {
    const Status status = refusal(config, {.pins = {pin}});
    EXPECT_EQ(status.kind(), ErrorKind::usage);
    EXPECT_NE(status.message().find("--kv-pin"), std::string::npos);
  }
  EXPECT_EQ(refusal(config, {.n_sink = -2, .pins = {}}).kind(), ErrorKind::usage);
}

}  // namespace
}  // namespace restkv
