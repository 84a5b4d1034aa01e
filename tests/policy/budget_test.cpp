// Budget splits, presets and protected entries.
#include "restkv/budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "policy/budget/parts.h"
#include "restkv/options.h"

namespace restkv {
namespace {

using Counts = std::vector<int64_t>;

int64_t sum(const Counts& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

TEST(Pyramid, MatchesTheFormula) {
  // b = 120, beta 20: lo = 6, hi = 234, step floor(228 / 29) = 7.
  EXPECT_EQ(pyramid_past_budget(120, 1000, 0, 30, 20), 234);
  EXPECT_EQ(pyramid_past_budget(120, 1000, 29, 30, 20), 234 - 29 * 7);
  // hi at or above P: hi = P, lo = 2b - P.
  EXPECT_EQ(pyramid_past_budget(120, 200, 0, 30, 20), 200);
  EXPECT_EQ(pyramid_past_budget(120, 200, 29, 30, 20), 200 - 29 * 5);
  EXPECT_EQ(pyramid_past_budget(120, 200, 0, 1, 20), 120);
}

TEST(SplitLayers, UniformAndTable) {
  LayerSplit args{.budget = 100, .window = 30, .n_seen = 500, .n_layer = 3};
  EXPECT_EQ(*split_layers({}, args), (Counts{70, 70, 70}));
  LayerBudget table{.kind = LayerBudget::Kind::table, .table = {130, 31, 500}};
  EXPECT_EQ(*split_layers(table, args), (Counts{100, 1, 470}));
  args.strict = true;  // 210 in all
  EXPECT_EQ(*split_layers(table, args), (Counts{100, 1, 109}));
  args.n_forced = 2;
  const auto refused = split_layers(table, args);
  EXPECT_EQ(refused.status().kind(), ErrorKind::capacity);
  EXPECT_NE(refused.status().message().find("layer 1"), std::string::npos);
  table.table.pop_back();
  EXPECT_EQ(split_layers(table, args).status().kind(), ErrorKind::usage);
  table.table = {INT64_MAX, INT64_MAX, INT64_MAX};
  EXPECT_EQ(*split_layers(table, args), (Counts{70, 70, 70}));
  table.table = {INT64_MIN, 100, 100};
  EXPECT_EQ(split_layers(table, args).status().kind(), ErrorKind::capacity);
}

TEST(SplitLayers, PyramidSparesShortPrompts) {
  const LayerBudget pyramid{.kind = LayerBudget::Kind::pyramid};
  LayerSplit args{.budget = 128, .window = 8, .n_seen = 239, .n_layer = 30};
  EXPECT_EQ(*split_layers(pyramid, args), Counts(30, 120));  // B <= L < 2b
  args.spares_short = false;
  EXPECT_EQ(split_layers(pyramid, args)->front(), 231);
  args.n_seen = 1000;
  Counts shares = *split_layers(pyramid, args);
  EXPECT_EQ(shares.front(), 234);
  EXPECT_EQ(shares.back(), 234 - 29 * 7);
  EXPECT_GT(sum(shares), 30 * 120);
  args.strict = true;
  EXPECT_EQ(sum(*split_layers(pyramid, args)), 30 * 120);
  args.strict = false;
  args.n_forced = 20;  // set aside: b = 100
  EXPECT_EQ(split_layers(pyramid, args)->front(), 20 + 195);
  args.n_seen = 60;  // fewer than the budget: nothing is evicted
  EXPECT_EQ(*split_layers(pyramid, args), Counts(30, 120));
  const LayerBudget flat{.kind = LayerBudget::Kind::pyramid, .pyramid_beta = 0.5};
  EXPECT_EQ(split_layers(flat, args).status().kind(), ErrorKind::usage);
}

TEST(TrimLargest, LowersOneByOne) {
  std::mt19937 random(5);
  for (int round = 0; round < 500; ++round) {
    Counts shares(1 + random() % 9);
    for (int64_t& share : shares)
      share = random() % 12;
    const int64_t limit = random() % 60;
    Counts expected = shares;
    while (sum(expected) > limit)
      --*std::ranges::max_element(expected);  // the first of the largest
    trim_largest(&shares, limit);
    ASSERT_EQ(shares, expected);
  }
}

// Ragged heads of random scores with ties, some entries forced.
struct Heads {
  explicit Heads(uint32_t seed, int64_t n_keep) {
    std::mt19937 random(seed);
    const size_t n_head = 1 + random() % 6;
    scores.resize(n_head);
    forced.resize(n_head);
    for (size_t h = 0; h < n_head; ++h) {
      scores[h].resize(1 + random() % 60);
      for (float& score : scores[h])
        score = static_cast<float>(random() % 50) * (1.0f + h);
      for (int32_t j = 0; j < static_cast<int32_t>(scores[h].size()); ++j) {
        const bool room = static_cast<int64_t>(forced[h].size()) < n_keep;
        if (room && random() % 8 == 0) forced[h].push_back(j);
      }
    }
    for (size_t h = 0; h < n_head; ++h)
      views.push_back({scores[h], static_cast<int64_t>(scores[h].size()) + 8, forced[h]});
  }

  int64_t limit(int64_t n_keep) const { return n_keep * static_cast<int64_t>(views.size()); }
  std::vector<std::vector<float>> scores;
  std::vector<std::vector<int32_t>> forced;
  std::vector<HeadScores> views;
};

TEST(SplitHeads, AdaKeepsFloorsAndLimits) {
  for (uint32_t seed = 0; seed < 500; ++seed) {
    const int64_t n_keep = 1 + seed % 40;
    const Heads heads(seed, n_keep);
    const HeadBudget ada{
        .kind = HeadBudget::Kind::ada, .floor = 0.1 * (seed % 11), .normalise = seed % 2 == 0};
    const Counts loose = *split_heads(ada, heads.views, n_keep, 0, false);
    const Counts strict = *split_heads(ada, heads.views, n_keep, 0, true);
    const int64_t n_head = static_cast<int64_t>(heads.views.size());
    // Rounding misses by at most a half a head, the floor's own rounding loses up to one.
    EXPECT_LE(sum(loose), heads.limit(n_keep) + (n_head + 1) / 2);
    EXPECT_LE(sum(strict), heads.limit(n_keep));
    for (int64_t h = 0; h < n_head; ++h) {
      const int64_t n_scored = static_cast<int64_t>(heads.scores[h].size());
      const int64_t n_forced = static_cast<int64_t>(heads.forced[h].size());
      const int64_t floor =
          n_forced + static_cast<int64_t>(static_cast<double>(n_keep - n_forced) * ada.floor);
      EXPECT_LE(loose[h], n_scored);
      EXPECT_LE(strict[h], loose[h]);
      EXPECT_GE(strict[h], std::min(n_forced, n_scored));
      EXPECT_GE(loose[h], std::min(floor, n_scored));
      const auto kept =
          select_entries(heads.scores[h], strict[h], heads.views[h].n_entry, heads.views[h].forced);
      EXPECT_EQ(static_cast<int64_t>(kept.size()), strict[h] + 8);
    }
  }
}

TEST(SplitHeads, AdaGivesToTheLouderHead) {
  const std::vector<float> quiet = {1, 2, 3, 4, 5, 6}, loud = {10, 20, 30, 40, 50, 60};
  const std::vector<HeadScores> heads = {{quiet, 6, {}}, {loud, 6, {}}};
  HeadBudget ada{.kind = HeadBudget::Kind::ada, .floor = 0.0, .normalise = false};
  EXPECT_EQ(*split_heads(ada, heads, 3, 0, false), (Counts{0, 6}));
  ada.floor = 0.5;  // round half to even: 0 * 0.5 + 1, 6 * 0.5 + 1
  EXPECT_EQ(*split_heads(ada, heads, 3, 0, false), (Counts{1, 4}));
  ada.floor = 1.0;
  EXPECT_EQ(*split_heads(ada, heads, 3, 0, false), (Counts{3, 3}));
  EXPECT_EQ(*split_heads(ada, heads, 7, 0, false), (Counts{6, 6}));  // all fit
  ada.floor = 1.5;
  EXPECT_EQ(split_heads(ada, heads, 3, 0, false).status().kind(), ErrorKind::usage);
}

TEST(SplitHeads, ScoresThatAreNoNumbersDoNoHarm) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> zeros(8, 0.0f), odd = {nan, inf, 1, 2, 3, -inf, 0, 1};
  const std::vector<HeadScores> heads = {{zeros, 8, {}}, {odd, 8, {}}};
  const HeadBudget ada{.kind = HeadBudget::Kind::ada};
  const auto shares = split_heads(ada, heads, 4, 0, true);
  ASSERT_TRUE(shares.ok());
  EXPECT_LE(sum(*shares), 8);
  EXPECT_GE(shares->at(1), 4);
}

TEST(SplitHeads, TablesOfCaps) {
  const std::vector<float> scores(20, 1.0f);
  const std::vector<int32_t> forced = {0, 1, 2};
  const std::vector<HeadScores> heads = {{scores, 20, {}}, {scores, 20, forced}};
  HeadBudget table{.kind = HeadBudget::Kind::table, .table = {{5, 9}, {1, 99}}};
  EXPECT_EQ(*split_heads(table, heads, 7, 0, false), (Counts{5, 9}));
  EXPECT_EQ(*split_heads(table, heads, 7, 1, false), (Counts{1, 20}));
  EXPECT_EQ(*split_heads(table, heads, 7, 1, true), (Counts{1, 13}));
  EXPECT_EQ(split_heads(table, heads, 7, 2, false).status().kind(), ErrorKind::usage);
  table.table = {{2, 3, 3, 4}, {5, 2}, {1, 2, 3}, {-1, 4}, {}};
  EXPECT_EQ(*split_heads(table, heads, 7, 0, false), (Counts{2, 4}));  // 2.5, 3.5: half to even
  EXPECT_EQ(split_heads(table, heads, 7, 1, false).status().kind(), ErrorKind::capacity);
  for (int32_t layer : {2, 3, 4}) {
    const Status status = split_heads(table, heads, 7, layer, false).status();
    EXPECT_EQ(status.kind(), ErrorKind::usage);
    EXPECT_TRUE(status.message().starts_with("--kv-head-budget")) << status.message();
  }
}

TEST(SplitHeads, UniformKeepsNoMoreThanThereIs) {
  const std::vector<float> many(20, 1.0f), few(3, 1.0f);
  const std::vector<HeadScores> heads = {{many, 20, {}}, {few, 3, {}}};
  EXPECT_EQ(*split_heads({}, heads, 7, 0, false), (Counts{7, 3}));
}

CacheConfig preset(const std::string& name) {
  CacheConfig config;
  config.policy.name = name;
  return config;
}

TEST(Presets, StandForAPolicyWithSplits) {
  CacheConfig adakv = preset("adakv");
  ASSERT_TRUE(apply_preset(&adakv).ok());
  EXPECT_EQ(adakv.policy.name, "snapkv");
  EXPECT_EQ(adakv.policy.temporal, "mean");
  EXPECT_EQ(adakv.head_budget->kind, HeadBudget::Kind::ada);
  EXPECT_FALSE(adakv.layer_budget || adakv.schedule || adakv.positions);
  CacheConfig pyramidkv = preset("pyramidkv");
  ASSERT_TRUE(apply_preset(&pyramidkv).ok());
  EXPECT_EQ(pyramidkv.policy.name, "snapkv");
  EXPECT_EQ(pyramidkv.layer_budget->kind, LayerBudget::Kind::pyramid);
  for (const auto& [name, policy] :
       {std::pair{"h2o-decode", "h2o"}, std::pair{"streaming-decode", "streaming-llm"}}) {
    CacheConfig config = preset(name);
    ASSERT_TRUE(apply_preset(&config).ok());
    EXPECT_EQ(config.policy.name, policy);
    EXPECT_EQ(*config.schedule, (Schedule{Schedule::Kind::decode, 1}));
    EXPECT_EQ(*config.positions, KeyPositions::cache);
  }
  for (std::string_view name : preset_names()) {
    CacheConfig config = preset(std::string(name));
    config.head_budget = HeadBudget{.kind = HeadBudget::Kind::table, .table = {{4}}};
    ASSERT_TRUE(apply_preset(&config).ok());
    EXPECT_TRUE(make_policy(config.policy).ok()) << name;
  }
}

TEST(Presets, LeaveWhatTheUserSet) {
  CacheConfig adakv = preset("adakv");
  adakv.head_budget = HeadBudget{.kind = HeadBudget::Kind::ada, .floor = 0.5};
  adakv.policy.temporal = "sum";
  ASSERT_TRUE(apply_preset(&adakv).ok());
  EXPECT_EQ(adakv.head_budget->floor, 0.5);
  EXPECT_EQ(adakv.policy.temporal, "sum");
  CacheConfig streaming = preset("streaming-decode");
  streaming.schedule = Schedule{Schedule::Kind::decode, 16};
  streaming.positions = KeyPositions::original;
  ASSERT_TRUE(apply_preset(&streaming).ok());
  EXPECT_EQ(streaming.schedule->every, 16);
  EXPECT_EQ(*streaming.positions, KeyPositions::original);
  CacheConfig other = preset("rest-kv");
  ASSERT_TRUE(apply_preset(&other).ok());
  EXPECT_EQ(other.policy.name, "rest-kv");
  EXPECT_FALSE(other.head_budget || other.layer_budget || other.schedule);
}

TEST(Presets, HeadKvNeedsATable) {
  CacheConfig headkv = preset("headkv");
  for (int round = 0; round < 2; ++round) {
    const Status status = apply_preset(&headkv);
    EXPECT_EQ(status.kind(), ErrorKind::usage);
    EXPECT_TRUE(status.message().starts_with("--kv-head-budget")) << status.message();
    headkv.head_budget = HeadBudget{.kind = HeadBudget::Kind::ada};
  }
}

TEST(Protection, CountsEveryTokenOnce) {
  const Protection none;
  EXPECT_EQ(none.count(100), 0);
  EXPECT_FALSE(none.holds(0));
  std::mt19937 random(9);
  for (int round = 0; round < 300; ++round) {
    Protection protection;
    protection.n_sink = static_cast<int64_t>(random() % 5);
    for (size_t i = random() % 4; i > 0; --i) {
      const int64_t begin = static_cast<int64_t>(random() % 30) - 3;
      protection.pins.push_back({begin, begin + static_cast<int64_t>(random() % 12) - 2});
    }
    const int64_t n_token = random() % 30;
    int64_t n = 0;
    for (int64_t position = 0; position < n_token; ++position)
      n += protection.holds(position) ? 1 : 0;
    EXPECT_EQ(protection.count(n_token), n);
  }
}

}  // namespace
}  // namespace restkv
