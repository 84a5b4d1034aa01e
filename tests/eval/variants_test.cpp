// What a run compares: lists of policies, budgets and kernels as variants with stable names.
#include "eval/variants.h"

#include <gtest/gtest.h>

namespace restkv {
namespace {

using Names = std::vector<std::string>;

VariantLists lists(Names policies, std::vector<int64_t> budgets, std::vector<int64_t> kernels) {
  return {.policies = std::move(policies),
          .budgets = std::move(budgets),
          .kernels = std::move(kernels),
          .ada = {}};
}

Names names(const VariantLists& of, const CacheConfig& base = {}) {
  const auto variants = make_variants(of, base);
  EXPECT_TRUE(variants.ok()) << variants.status().message();
  Names list;
  if (!variants.ok()) return list;
  for (const Variant& variant : *variants)
    list.push_back(variant.name);
  return list;
}

void expect_refused(const VariantLists& of, ErrorKind kind, const std::string& word,
                    const CacheConfig& base = {}) {
  const auto variants = make_variants(of, base);
  ASSERT_FALSE(variants.ok());
  EXPECT_EQ(variants.status().kind(), kind);
  EXPECT_NE(variants.status().message().find(word), std::string::npos)
      << variants.status().message();
}

TEST(Variants, EveryPolicyAtEveryBudgetAndKernel) {
  EXPECT_EQ(names(lists({"full", "rest-kv", "h2o"}, {64, 128}, {5, 21})),
            (Names{"full", "rest-kv k5 B64", "rest-kv k5 B128", "rest-kv k21 B64",
                   "rest-kv k21 B128", "h2o B64", "h2o B128"}));
}

TEST(Variants, SplitsFollowThePolicy) {
  const auto variants =
      make_variants(lists({"snapkv+pyramid", "rest-kv+ada", "pyramidkv"}, {128}, {21}), {});
  ASSERT_TRUE(variants.ok());
  EXPECT_EQ((*variants)[0].name, "snapkv+pyramid k21 B128");
  EXPECT_EQ((*variants)[0].policy, "snapkv");
  EXPECT_EQ((*variants)[0].plan->layer_budget.kind, LayerBudget::Kind::pyramid);
  EXPECT_EQ((*variants)[1].name, "rest-kv+ada k21 B128");
  EXPECT_EQ((*variants)[1].plan->head_budget.kind, HeadBudget::Kind::ada);
  EXPECT_EQ((*variants)[2].name, "pyramidkv k21 B128");
  EXPECT_EQ((*variants)[2].plan->layer_budget.kind, LayerBudget::Kind::pyramid);
}

TEST(Variants, RepeatedOnesAppearWhereTheyAreFirst) {
  EXPECT_EQ(names(lists({"tova", "full", "tova", "full"}, {64, 64}, {21})),
            (Names{"tova B64", "full"}));
}

// A name says all that differs from the defaults, of what the policy reads.
TEST(Variants, NamesTellConfigurationsApart) {
  CacheConfig base;
  base.policy.alpha = 0.5;
  base.policy.window = 16;
  base.selection.granularity = Granularity::query_head;
  base.type = StorageType::q8_0;
  EXPECT_EQ(names(lists({"full", "rest-kv", "snapkv", "streaming-llm"}, {64}, {21}), base),
            (Names{"full type=q8_0",
                   "rest-kv k21 B64 window=16 alpha=0.5 granularity=query-head type=q8_0",
                   "snapkv k21 B64 window=16 granularity=query-head type=q8_0",
                   "streaming-llm B64 granularity=query-head type=q8_0"}));
}

// An item's own settings win over those of the run.
TEST(Variants, ItemsHaveSettingsOfTheirOwn) {
  CacheConfig base;
  base.policy.alpha = 0.5;
  EXPECT_EQ(names(lists({"rest-kv", "rest-kv:alpha=0.25:no-projection", "rest-kv:temporal=mean+ada",
                         "snapkv:spatial=maxpool:window=16", "rest-kv:mode=before:norm"},
                        {64}, {21}),
                  base),
            (Names{"rest-kv k21 B64 alpha=0.5", "rest-kv k21 B64 alpha=0.25 no-projection",
                   "rest-kv+ada k21 B64 alpha=0.5 temporal=mean",
                   "snapkv k21 B64 window=16 spatial=maxpool",
                   "rest-kv k21 B64 alpha=0.5 mode=before norm"}));
  expect_refused(lists({"rest-kv:gamma=1"}, {64}, {21}), ErrorKind::usage, "\"gamma\", allowed:");
  expect_refused(lists({"rest-kv:tau=much"}, {64}, {21}), ErrorKind::usage, "tau is \"much\"");
  expect_refused(lists({"rest-kv:norm=1"}, {64}, {21}), ErrorKind::usage, "without a value");
  expect_refused(lists({"snapkv:tau=0.5"}, {64}, {21}), ErrorKind::usage, "does not read");
  expect_refused(lists({"full:alpha=0.5"}, {64}, {21}), ErrorKind::usage, "does not read");
  expect_refused(lists({"rest-kv:temporal"}, {64}, {21}), ErrorKind::usage, "with a value");
  expect_refused(lists({"rest-kv:tau=1:tau=2"}, {64}, {21}), ErrorKind::usage, "stands twice");
  expect_refused(lists({"rest-kv+ada:tau=2"}, {64}, {21}), ErrorKind::usage, "settings, then by");
  expect_refused(lists({"rest-kv:spatial=wide"}, {64}, {21}), ErrorKind::usage, "wide");
}

TEST(Variants, PoliciesThatDoNotPoolHaveNoKernel) {
  CacheConfig base;
  base.policy.spatial = "none";
  EXPECT_EQ(names(lists({"snapkv"}, {64}, {5, 21}), base), (Names{"snapkv B64 spatial=none"}));
}

TEST(Variants, ScheduleIsNamedWhereItIsNotThePolicysOwn) {
  CacheConfig base;
  base.schedule = Schedule{Schedule::Kind::decode, 1};
  EXPECT_EQ(names(lists({"tova", "snapkv"}, {64}, {21}), base),
            (Names{"tova B64", "snapkv k21 B64 schedule=decode:1"}));
}

TEST(Variants, AdaSettingsReachBothForms) {
  VariantLists both = lists({"snapkv+ada", "adakv"}, {64}, {21});
  both.ada.floor = 0.5;
  EXPECT_EQ(names(both),
            (Names{"snapkv+ada k21 B64 ada-floor=0.5", "adakv k21 B64 ada-floor=0.5"}));
}

TEST(Variants, WhatCannotBeIsRefusedByName) {
  expect_refused(lists({"rest-kv"}, {16}, {21}), ErrorKind::capacity, "variant rest-kv");
  expect_refused(lists({"rest-kv"}, {64}, {4}), ErrorKind::usage, "--kv-kernel is 4");
  expect_refused(lists({"none-such"}, {64}, {21}), ErrorKind::usage, "none-such");
  expect_refused(lists({"rest-kv+ida"}, {64}, {21}), ErrorKind::usage, "rest-kv+ida");
  expect_refused(lists({"tova+ada"}, {64}, {21}), ErrorKind::usage, "variant tova+ada");
  expect_refused(lists({}, {64}, {21}), ErrorKind::usage, "--kv-policy");
  expect_refused(lists({"tova"}, {}, {21}), ErrorKind::usage, "--kv-budget");
}

}  // namespace
}  // namespace restkv
