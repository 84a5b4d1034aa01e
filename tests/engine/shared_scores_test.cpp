// Which plans of a layer share a set of scores, and for how long it stays.
#include "engine/shared_scores.h"

#include <gtest/gtest.h>

namespace restkv {
namespace {

std::shared_ptr<const CachePlan> plan_of(const char* policy, int64_t budget, int64_t kernel = 5) {
  CacheConfig config;
  config.policy.name = policy;
  config.policy.kernel = kernel;
  config.budget = budget;
  auto plan = CachePlan::make(config);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return *plan;
}

SharedScores::Scores some_scores() {
  return std::make_shared<const std::vector<GroupScores>>(1);
}

TEST(SharedScores, ServeBudgetsAndSplits) {
  const auto a = plan_of("snapkv", 64), b = plan_of("snapkv", 128), c = plan_of("pyramidkv", 64),
             other = plan_of("snapkv", 64, 21);
  SharedScores shared(std::vector<const CachePlan*>{a.get(), b.get(), c.get(), other.get()});
  EXPECT_EQ(shared.n_kept(), 1u);
  EXPECT_EQ(shared.take(*a), nullptr);
  const auto scores = some_scores();
  shared.keep(*a, scores);
  EXPECT_EQ(shared.take(*other), nullptr);
  EXPECT_EQ(shared.take(*b), scores);
  EXPECT_EQ(scores.use_count(), 2);
  EXPECT_EQ(shared.take(*c), scores);
  EXPECT_EQ(scores.use_count(), 1);  // nobody is left to ask
}

TEST(SharedScores, ThatDependOnTheBudgetServeOne) {
  const auto a = plan_of("rest-kv", 64), b = plan_of("rest-kv", 128);
  SharedScores shared(std::vector<const CachePlan*>{a.get(), b.get()});
  EXPECT_EQ(shared.n_kept(), 0u);
  EXPECT_EQ(shared.take(*a), nullptr);
  const auto scores = some_scores();
  shared.keep(*a, scores);
  EXPECT_EQ(scores.use_count(), 1);
  EXPECT_EQ(shared.take(*b), nullptr);
}

TEST(SharedScores, WhatLivesWithTheEntriesIsNotShared) {
  const auto a = plan_of("h2o", 64), b = plan_of("h2o", 128), full = plan_of("full", 64),
             tova = plan_of("tova", 64);
  SharedScores shared(std::vector<const CachePlan*>{a.get(), b.get(), full.get()});
  EXPECT_EQ(shared.n_kept(), 0u);
  shared.keep(*a, some_scores());
  EXPECT_EQ(shared.take(*b), nullptr);
  EXPECT_EQ(shared.take(*tova), nullptr);  // not one of them
}

}  // namespace
}  // namespace restkv
