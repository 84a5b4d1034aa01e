// What single policies do beyond the published selections: state, merging, seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/random.h"
#include "group.h"

namespace restkv {
namespace {

TEST(H2o, SumsLiveWithTheEntries) {
  const auto policy = made({.name = "h2o"});
  Group group(*policy);
  GroupScores first, second;
  ASSERT_TRUE(policy->score(group.view, &first).ok());
  EXPECT_EQ(first.entry_state, group.sums);
  group.view.entry_state = {first.entry_state.data(), {kGroup, kLength, 1}};
  ASSERT_TRUE(policy->score(group.view, &second).ok());
  for (int64_t h = 0; h < kGroup; ++h) {
    for (int64_t j = 0; j < kLength; ++j) {
      const float expected = 2.0f * group.sums[h * kLength + j];
      EXPECT_EQ(second.entry_state[h * kLength + j], expected);
      if (j >= second.n_scored) continue;
      EXPECT_EQ(second.raw[h * second.n_scored + j], expected);
    }
  }
}

TEST(Tova, AllHeadsOfTheLayerDecideTogether) {
  const PolicyTraits traits = made({.name = "tova"})->traits();
  EXPECT_EQ(traits.vote, VotePoint::layer);
  EXPECT_EQ(traits.protects, Protects::nothing);
  EXPECT_EQ(traits.schedule, (Schedule{Schedule::Kind::decode, 1}));
  const auto policy = made({.name = "tova"});
  const Group group(*policy);
  GroupScores scores;
  ASSERT_TRUE(policy->score(group.view, &scores).ok());
  for (int64_t h = 0; h < kGroup; ++h) {
    double total = 0.0;  // weights of one query over all entries
    for (int64_t j = 0; j < kLength; ++j)
      total += scores.raw[h * kLength + j];
    EXPECT_NEAR(total, 1.0, 1e-5);
  }
}

TEST(KeyNorm, TheShortestKeysStay) {
  const auto l2norm = made({.name = "l2norm"});
  const auto knorm = made({.name = "knorm"});
  EXPECT_FALSE(l2norm->applies_to_layer(1));
  EXPECT_TRUE(l2norm->applies_to_layer(2));
  EXPECT_TRUE(knorm->applies_to_layer(0));
  Group group(*knorm);
  std::fill_n(group.keys.begin() + 17 * kHeadDim, kHeadDim, 0.0f);
  GroupScores scores;
  ASSERT_TRUE(knorm->score(group.view, &scores).ok());
  EXPECT_EQ(select_entries(std::span(scores.raw).first(kLength), 1, kLength),
            std::vector<int32_t>{17});
  EXPECT_EQ(scores.raw[kLength + 17], 0.0f);  // the same for every query head
}

// By the formula, in double.
TEST(ExpectedAttention, MatchesTheFormula) {
  const auto policy = made({.name = "expected-attention"});
  const Group group(*policy);
  GroupScores scores;
  ASSERT_TRUE(policy->score(group.view, &scores).ok());
  for (int64_t h = 0; h < kGroup; ++h) {
    std::vector<double> expected(kLength, 0.0);
    double total = 0.0;
    for (int64_t j = 4; j < kLength; ++j) {
      const float* key = group.keys.data() + j * kHeadDim;
      double logit = 0.0;
      for (int64_t r = 0; r < kHeadDim; ++r) {
        logit += 0.25 * group.means[h * kHeadDim + r] * key[r];
        for (int64_t c = 0; c < kHeadDim; ++c) {
          const double covariance = group.covariances[(h * kHeadDim + r) * kHeadDim + c];
          logit += 0.5 * 0.25 * 0.25 * key[r] * covariance * key[c];
        }
      }
      expected[j] = std::exp(logit);
      total += expected[j];
    }
    for (int64_t j = 4; j < kLength; ++j) {
      double length = 0.0;
      for (int64_t c = 0; c < kHeadDim; ++c)
        length += std::pow(group.values[j * kHeadDim + c], 2);
      expected[j] *= std::sqrt(length) / total;
      ASSERT_NEAR(scores.raw[h * kLength + j], expected[j], 1e-5 * expected[j]);
      ASSERT_GE(scores.raw[h * kLength], scores.raw[h * kLength + j]);  // a sink
    }
  }
}

TEST(Random, SeedsLayersAndHeadsDiffer) {
  const auto raw_of = [](uint64_t seed, int32_t layer, int32_t kv_head) {
    const auto policy = made({.name = "random", .seed = seed});
    Group group(*policy);
    group.view.context.layer = layer;
    group.view.kv_head = kv_head;
    GroupScores scores;
    EXPECT_TRUE(policy->score(group.view, &scores).ok());
    return scores.raw;
  };
  EXPECT_EQ(raw_of(1, 0, 0), raw_of(1, 0, 0));
  std::set<float> first;
  for (uint64_t seed : {0, 1}) {
    for (int32_t layer : {0, 1}) {
      for (int32_t kv_head : {0, 1}) {
        const std::vector<float> raw = raw_of(seed, layer, kv_head);
        for (int64_t h = 0; h < kGroup; ++h)
          first.insert(raw[h * kLength]);
      }
    }
  }
  EXPECT_EQ(first.size(), 8u * kGroup);
}

TEST(Random, NumbersAreTheSameEverywhere) {
  SplitMix64 random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317u);  // the published test vector
  EXPECT_EQ(random.next(), 3203168211198807973u);
  double sum = 0.0;
  for (int i = 0; i < 10000; ++i) {
    const float u = random.uniform();
    ASSERT_TRUE(0.0f <= u && u < 1.0f);
    sum += u;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

TEST(Cam, ThresholdsDecideAndDrawsFollowTheSeed) {
  const auto merged = [](double threshold, uint64_t seed, int32_t head) {
    const auto policy = made({.name = "cam", .merge_threshold = threshold, .seed = seed});
    const Group group(*policy);
    return policy->merge_values(group.view, head).value();
  };
  const Group group(*made({.name = "cam"}));
  const auto first_changed = [&](const std::vector<float>& values) {
    const auto at = std::ranges::mismatch(values, group.values).in1 - values.begin();
    return at / kHeadDim;
  };
  // Every value is merged: from ceil(0.1 * 300) on, into those behind it.
  const std::vector<float> all = merged(0.0, 0, 0);
  EXPECT_EQ(first_changed(all), 31);
  for (int64_t c = 0; c < kHeadDim; ++c) {
    EXPECT_FLOAT_EQ(all[31 * kHeadDim + c],
                    group.values[31 * kHeadDim + c] + group.values[30 * kHeadDim + c] / kWindow);
  }
  EXPECT_EQ(merged(-1.0, 5, 1), merged(-1.0, 5, 1));
  EXPECT_NE(merged(-1.0, 5, 1), merged(-1.0, 6, 1));
  EXPECT_NE(merged(-1.0, 5, 1), merged(-1.0, 5, 2));
  EXPECT_NE(merged(0.5, 0, 0), merged(0.5, 0, -1));  // one head's attention, the group's
}

TEST(MergeValues, IsCamsAlone) {
  for (std::string_view name : policy_names()) {
    const auto policy = made({.name = std::string(name)});
    const Group group(*policy);
    EXPECT_EQ(policy->merge_values(group.view, 0).has_value(), name == "cam") << name;
  }
}

}  // namespace
}  // namespace restkv
