// LaCache and StreamingLLM: policies that look at positions only.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "group.h"
#include "restkv/policy.h"

namespace restkv {
namespace {

TEST(StreamingLlm, KeepsSinksAndTheRecent) {
  const auto policy = made({.name = "streaming-llm"});
  EXPECT_EQ(policy->effective_window(32, 10), 6);
  const auto kept = policy->select_positions({.budget = 10, .window = 6}, 100, nullptr);
  EXPECT_EQ(*kept, (std::vector<int32_t>{0, 1, 2, 3, 94, 95, 96, 97, 98, 99}));
  EXPECT_EQ(policy->select_positions({.budget = 10}, 7, nullptr).value().size(), 7u);
}

TEST(StreamingLlm, KeepsItsKeysByCachePositions) {
  const PolicyTraits traits = made({.name = "streaming-llm", .n_sink = 7})->traits();
  EXPECT_EQ(traits.n_sink, 7);
  EXPECT_EQ(traits.positions, KeyPositions::cache);
  EXPECT_EQ(traits.schedule, Schedule{});
}

struct Setting {
  int64_t n_sink, span, overlap, budget;
  int32_t n_layer;
  bool strict;
};

// Settings that the policy accepts, at random.
std::vector<Setting> random_settings(int count) {
  std::mt19937 random(3);
  std::vector<Setting> list;
  while (static_cast<int>(list.size()) < count) {
    Setting s;
    s.n_layer = 2 + static_cast<int32_t>(random() % 40);
    s.span = 1 + random() % 20;
    s.overlap = random() % s.span;
    s.n_sink = static_cast<int64_t>(random() % 40) - 1;
    s.budget = 1 + random() % 200;
    s.strict = random() % 2 == 0;
    const auto policy =
        made({.name = "lacache", .n_sink = s.n_sink, .span = s.span, .overlap = s.overlap});
    // A strict budget does not grow, so that more may be asked of it.
    const auto tried = policy->select_positions({0, s.n_layer, s.budget, 0, s.strict}, 1, nullptr);
    if (tried.ok()) list.push_back(s);
  }
  return list;
}

int64_t growth(const Setting& s) {
  const int64_t step = s.span - s.overlap;
  const int64_t width = 1 + (s.n_layer - s.span + step - 1) / step;
  return (width - std::min((s.span + step - 1) / step, width)) / 2;
}

TEST(LaCache, NeverExceedsItsBudgetWhateverArrives) {
  std::mt19937 random(4);
  for (const Setting& s : random_settings(300)) {
    const auto policy =
        made({.name = "lacache", .n_sink = s.n_sink, .span = s.span, .overlap = s.overlap});
    const LayerContext context{static_cast<int32_t>(random() % s.n_layer), s.n_layer, s.budget, 0,
                               s.strict};
    const int64_t limit = s.budget + (s.strict ? 0 : growth(s));
    const auto state = policy->make_layer_state();
    int64_t n_entry = 0;
    for (int step = 0; step < 60; ++step) {
      n_entry += step % 10 == 0 ? random() % 3000 : 1;
      const auto kept = policy->select_positions(context, n_entry, state.get());
      ASSERT_TRUE(kept.ok()) << kept.status().message();
      const int64_t n_kept = static_cast<int64_t>(kept->size());
      ASSERT_LE(n_kept, limit);
      ASSERT_TRUE(n_entry > limit || n_kept == n_entry);
      ASSERT_TRUE(std::ranges::is_sorted(*kept));
      ASSERT_EQ(std::ranges::adjacent_find(*kept), kept->end());
      ASSERT_TRUE(n_kept == 0 || (kept->front() >= 0 && kept->back() < n_entry));
      for (int32_t i = 0; i < std::min(s.n_sink, n_kept); ++i)
        ASSERT_EQ((*kept)[i], i);
      n_entry = n_kept;
    }
  }
}

TEST(LaCache, AForeignStateDoesNoHarm) {
  const auto policy = made({.name = "lacache"});
  for (int64_t odd : {INT64_MIN, int64_t{-1}, int64_t{1} << 40, INT64_MAX}) {
    for (size_t size : {0, 1, 2, 3}) {
      LayerState state{std::vector<int64_t>(size, odd)};
      const auto kept = policy->select_positions({3, 30, 128, 0, false}, 5000, &state);
      ASSERT_TRUE(kept.ok());
      EXPECT_LE(kept->size(), 128u + 7u);
    }
  }
}

TEST(LaCache, TheDefaultStartIsThePublishedRuns) {
  const auto policy = made({.name = "lacache"});
  const auto start_of = [&](int64_t n_entry, int64_t budget) {
    LayerState state;
    EXPECT_TRUE(policy->select_positions({0, 30, budget, 0, false}, n_entry, &state).ok());
    return state.values.at(1);
  };
  EXPECT_EQ(start_of(5000, 1024), 128);
  EXPECT_EQ(start_of(100, 1024), 69);  // L - (N + 1)
  EXPECT_EQ(start_of(10, 1024), 1);
  EXPECT_EQ(start_of(5000, 64), 33);  // B - (N + 1)
  EXPECT_EQ(policy->traits().n_sink, 0);
  EXPECT_EQ(made({.name = "lacache", .n_sink = 4})->traits().n_sink, 4);
}

TEST(LaCache, WhatWouldDropNothingIsRefused) {
  const auto policy = made({.name = "lacache", .n_sink = 4});
  EXPECT_EQ(policy->check_budget(0, 128, 16).kind(), ErrorKind::usage);  // span 16
  EXPECT_TRUE(policy->check_budget(0, 128, 17).ok());
  EXPECT_EQ(policy->check_budget(0, 34, 30).kind(), ErrorKind::capacity);
  EXPECT_TRUE(policy->check_budget(0, 35, 30).ok());
  EXPECT_TRUE(policy->check_budget(0, 5, 0).ok());  // the model is not known
  EXPECT_EQ(policy->check_budget(0, 4, 0).kind(), ErrorKind::capacity);
  const auto overlapping = made({.name = "lacache", .span = 16, .overlap = 15});
  EXPECT_EQ(overlapping->check_budget(0, 128, 30).kind(), ErrorKind::usage);
  EXPECT_TRUE(overlapping->check_budget(0, 128, 40).ok());
}

}  // namespace
}  // namespace restkv
