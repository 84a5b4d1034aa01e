// The vote, smoothing, selection and the projection factor: what all scoring policies share.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>

#include "policy/drift.h"
#include "restkv/policy.h"
#include "tests/random.h"

namespace restkv {
namespace {

TEST(AdaptiveSmoothing, FollowsThePublishedRounding) {
  struct Case {
    double quotient;
    int64_t kernel, shift;
  };
  // docs/policies.md, rest-kv: zero gives +1, a whole negative number -c gives -c + 1.
  for (const Case& c :
       {Case{0.0, 5, 1}, Case{0.4, 5, 0}, Case{-0.4, 5, 0}, Case{1.0, 5, 1}, Case{2.5, 5, 2},
        Case{-2.5, 5, -2}, Case{-2.0, 5, -1}, Case{3.0, 7, 3}, Case{-10.2, 21, -10}}) {
    const Smoothing smoothing = adaptive_smoothing(c.quotient, 5);
    EXPECT_EQ(smoothing.kernel, c.kernel) << c.quotient;
    EXPECT_EQ(smoothing.shift, c.shift) << c.quotient;
  }
  const Smoothing huge = adaptive_smoothing(-1e300, 5);
  EXPECT_EQ(huge.kernel % 2, 1);
  EXPECT_LT(huge.shift, 0);
}

TEST(Vote, ComesWhereThePolicyWantsIt) {
  GroupScores scores;
  scores.n_scored = 3;
  scores.raw = {1, 0, 0, 0, 0, 4};
  scores.smoothing.assign(2, {Smoothing::Kind::maximum, 3, 0});
  using Row = std::vector<float>;
  const auto kv = Granularity::kv_head;
  EXPECT_EQ(vote_and_smooth(scores, VotePoint::before_smoothing, kv, GroupVote::mean),
            (Row{0.5f, 2, 2}));
  EXPECT_EQ(vote_and_smooth(scores, VotePoint::after_smoothing, kv, GroupVote::mean),
            (Row{0.5f, 2.5f, 2}));
  EXPECT_EQ(vote_and_smooth(scores, VotePoint::after_smoothing, kv, GroupVote::sum),
            (Row{1, 5, 4}));
  EXPECT_EQ(vote_and_smooth(scores, VotePoint::after_smoothing, kv, GroupVote::max),
            (Row{1, 4, 4}));
  EXPECT_EQ(vote_and_smooth(scores, VotePoint::before_smoothing, kv, GroupVote::norm_mean),
            (Row{0.5f, 0.5f, 0.5f}));
  const auto per_query = Granularity::query_head;
  EXPECT_EQ(vote_and_smooth(scores, VotePoint::before_smoothing, per_query, GroupVote::mean),
            (Row{1, 1, 0, 0, 4, 4}));
  EXPECT_EQ(vote_and_smooth(scores, VotePoint::layer, per_query, GroupVote::mean),
            (Row{0.5f, 2, 2}));
}

TEST(Vote, JoinedGroupsVoteAsOne) {
  GroupScores one, other;
  one.n_scored = other.n_scored = 2;
  one.raw = {1, 2};
  other.raw = {3, 0};
  one.smoothing.resize(1);
  other.smoothing.resize(1);
  const GroupScores layer = join_groups(std::vector{one, other});
  EXPECT_EQ(vote_and_smooth(layer, VotePoint::layer, Granularity::kv_head, GroupVote::mean),
            (std::vector<float>{2, 1}));
}

TEST(SelectEntries, ForcesSinksAndKeepsTheWindow) {
  const std::vector<float> scores = {0, 0, 5, 1, 4};
  EXPECT_EQ(select_entries(scores, 2, 7), (std::vector<int32_t>{2, 4, 5, 6}));
  EXPECT_EQ(select_entries(scores, 2, 7, std::vector<int32_t>{0}),
            (std::vector<int32_t>{0, 2, 5, 6}));
  EXPECT_EQ(select_entries(scores, 0, 7), (std::vector<int32_t>{5, 6}));
  EXPECT_EQ(select_entries(scores, 99, 5).size(), 5u);
}

TEST(SelectEntries, ForcedOnesCountTowardTheShare) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    const int64_t n_entry = 1 + random() % 40;
    const int64_t n_scored = 1 + random() % n_entry;
    std::vector<float> scores(n_scored);
    for (float& score : scores)
      score = static_cast<float>(random() % 5);  // many ties
    std::vector<int32_t> forced;
    for (int32_t j = 0; j < n_scored; ++j) {
      if (random() % 4 == 0) forced.push_back(j);
    }
    const int64_t n_forced = static_cast<int64_t>(forced.size());
    const int64_t n_keep = n_forced + random() % (n_scored - n_forced + 1);
    const auto kept = select_entries(scores, n_keep, n_entry, forced);
    ASSERT_EQ(static_cast<int64_t>(kept.size()), n_keep + n_entry - n_scored);
    ASSERT_TRUE(std::is_sorted(kept.begin(), kept.end()));
    ASSERT_TRUE(std::includes(kept.begin(), kept.end(), forced.begin(), forced.end()));
    // No entry that was left out is better than a kept one that was not forced, or as good and
    // before it.
    for (int32_t out = 0; out < n_scored; ++out) {
      if (std::ranges::binary_search(kept, out)) continue;
      for (int32_t in : kept) {
        if (in >= n_scored || std::ranges::binary_search(forced, in)) continue;
        ASSERT_TRUE(scores[in] > scores[out] || (scores[in] == scores[out] && in < out));
      }
    }
  }
}

TEST(SelectEntries, WhatIsNoNumberRanksFirst) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const std::vector<float> scores = {1, kInf, -kInf, kNan, 9};
  EXPECT_EQ(select_entries(scores, 2, 5), (std::vector<int32_t>{1, 3}));
  GroupScores group;
  group.n_scored = 3;
  group.raw = {1, kNan, 2, 3, 0, 1};
  group.smoothing.resize(2);
  for (GroupVote vote : {GroupVote::mean, GroupVote::max, GroupVote::sum}) {
    const auto voted = vote_and_smooth(group, VotePoint::layer, Granularity::kv_head, vote);
    EXPECT_EQ(select_entries(voted, 1, 3), std::vector<int32_t>{1});
  }
}

TEST(ForceEntries, PushesTheOldestOut) {
  using List = std::vector<int32_t>;
  EXPECT_EQ(force_entries(List{2, 5, 8, 9}, List{0, 5}), (List{0, 5, 8, 9}));
  EXPECT_EQ(force_entries(List{2, 5, 8, 9}, List{}), (List{2, 5, 8, 9}));
  EXPECT_EQ(force_entries(List{2, 5}, List{0, 1}), (List{0, 1}));
  EXPECT_EQ(force_entries(List{0, 1, 7, 8, 9}, List{0, 1}), (List{0, 1, 7, 8, 9}));
  EXPECT_EQ(force_entries(List{0, 1, 7, 8, 9}, List{0, 6}), (List{0, 6, 7, 8, 9}));
}

class ProjectionFactor : public testing::TestWithParam<std::pair<int64_t, int64_t>> {};

TEST_P(ProjectionFactor, KeepsLengths) {
  const auto [n_embd, d] = GetParam();
  const int64_t stride = 2 * d + 1;
  const std::vector<float> w = random_floats(n_embd * stride, 3);
  std::vector<float> r_h(d * d, 7.0f);
  projection_factor(w.data(), n_embd, d, stride, r_h.data());
  for (int64_t r = 0; r < d; ++r) {
    for (int64_t c = 0; c < r; ++c)
      EXPECT_EQ(r_h[r * d + c], 0.0f);
  }
  for (uint32_t seed = 0; seed < 10; ++seed) {
    const std::vector<float> e = random_floats(d, seed);
    double full = 0.0, factored = 0.0;
    for (int64_t i = 0; i < n_embd; ++i) {
      double dot = 0.0;
      for (int64_t c = 0; c < d; ++c)
        dot += double{w[i * stride + c]} * e[c];
      full += dot * dot;
    }
    for (int64_t r = 0; r < d; ++r) {
      double dot = 0.0;
      for (int64_t c = 0; c < d; ++c)
        dot += double{r_h[r * d + c]} * e[c];
      factored += dot * dot;
    }
    EXPECT_NEAR(std::sqrt(factored), std::sqrt(full), 2e-6 * std::sqrt(full));
  }
}

// The last three have a lower rank than their width.
INSTANTIATE_TEST_SUITE_P(Shapes, ProjectionFactor,
                         testing::Values(std::pair{576, 64}, std::pair{200, 64}, std::pair{40, 16},
                                         std::pair{64, 5}, std::pair{16, 16}, std::pair{8, 16},
                                         std::pair{1, 16}, std::pair{63, 64}));

TEST(ProjectionFactorOf, ZerosIsZero) {
  const std::vector<float> w(32 * 8, 0.0f);
  std::vector<float> r_h(64, 1.0f);
  projection_factor(w.data(), 32, 8, 8, r_h.data());
  EXPECT_EQ(r_h, std::vector<float>(64, 0.0f));
}

}  // namespace
}  // namespace restkv
