// Invariants of every policy in the registry, and the options that are refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <thread>

#include "core/workers.h"
#include "group.h"
#include "restkv/options.h"

namespace restkv {
namespace {

// [selecting head][kept].
std::vector<std::vector<int32_t>> select(const EvictionPolicy& policy, const Observation& group,
                                         Granularity granularity) {
  if (policy.traits().position_only) {
    const auto state = policy.make_layer_state();
    auto kept = policy.select_positions(group.context, group.n_entry(), state.get());
    EXPECT_TRUE(kept.ok());
    return {*kept};
  }
  GroupScores scores;
  const Status status = policy.score(group, &scores);
  EXPECT_TRUE(status.ok()) << status.message();
  const std::vector<float> rows =
      vote_and_smooth(scores, policy.traits().vote, granularity, GroupVote::mean);
  std::vector<std::vector<int32_t>> kept;
  for (size_t first = 0; first < rows.size(); first += scores.n_scored) {
    kept.push_back(select_entries(std::span(rows).subspan(first, scores.n_scored),
                                  kBudget - (group.n_entry() - scores.n_scored), group.n_entry()));
  }
  return kept;
}

void check_kept(const std::vector<int32_t>& kept, const EvictionPolicy& policy, int64_t window) {
  const PolicyTraits traits = policy.traits();
  // LaCache drops whole rungs: it may fall a little below its budget.
  const bool exact = traits.name != "lacache";
  const int64_t n_kept = static_cast<int64_t>(kept.size());
  EXPECT_EQ(n_kept, traits.keeps_all ? kLength : exact ? kBudget : std::min(n_kept, kBudget));
  EXPECT_GE(n_kept, kBudget / 2);
  EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
  EXPECT_EQ(static_cast<int64_t>(std::set(kept.begin(), kept.end()).size()), n_kept);
  for (int64_t i = 1; i <= window; ++i)
    EXPECT_EQ(kept[n_kept - i], kLength - i);
  for (int64_t i = 0; i < traits.n_sink; ++i)
    EXPECT_EQ(kept[i], i);
}

TEST(Policies, KeepTheBudgetTheWindowAndTheOrder) {
  for (const PolicyOptions& options : all_options()) {
    SCOPED_TRACE(options.name);
    const auto policy = made(options);
    const Group group(*policy);
    const int64_t window = group.view.context.window;
    EXPECT_EQ(window == 0, policy->traits().protects == Protects::nothing);
    for (Granularity granularity : {Granularity::kv_head, Granularity::query_head}) {
      for (const std::vector<int32_t>& head : select(*policy, group.view, granularity))
        check_kept(head, *policy, window);
    }
  }
}

TEST(Policies, ScoreWhatTheySayAndTheSameAgain) {
  for (const PolicyOptions& options : all_options()) {
    SCOPED_TRACE(options.name);
    const auto policy = made(options);
    const PolicyTraits traits = policy->traits();
    if (traits.position_only) continue;
    const Group group(*policy);
    GroupScores first, second;
    ASSERT_TRUE(policy->score(group.view, &first).ok());
    ASSERT_TRUE(policy->score(group.view, &second).ok());
    EXPECT_EQ(first.raw, second.raw);
    EXPECT_EQ(first.n_scored, group.view.n_past());
    EXPECT_EQ(first.n_group(), kGroup);
    EXPECT_EQ(static_cast<int64_t>(first.raw.size()), kGroup * first.n_scored);
    EXPECT_EQ(static_cast<int64_t>(first.entry_state.size()),
              kGroup * kLength * traits.state_per_entry);
    // A second run into the same struct leaves nothing behind.
    ASSERT_TRUE(policy->score(group.view, &second).ok());
    EXPECT_EQ(first.drift, second.drift);
    EXPECT_EQ(first.entry_state, second.entry_state);
  }
}

// Three groups on three threads give what each of them gives on one.
TEST(Policies, ShareALayerWithoutChangingIt) {
  Crew crew(3);
  std::vector<std::jthread> followers;
  for (int thread : {1, 2})
    followers.emplace_back([&crew, thread] { crew.follow(thread); });
  for (const PolicyOptions& options : all_options()) {
    SCOPED_TRACE(options.name);
    const auto policy = made(options);
    if (policy->traits().position_only) continue;
    const Group a(*policy, 1), b(*policy, 2), c(*policy, 3);
    const std::vector<Observation> groups{a.view, b.view, c.view};
    std::vector<GroupScores> together(3);
    ASSERT_TRUE(policy->score_layer(groups, crew, together).ok());
    for (size_t g = 0; g < 3; ++g) {
      GroupScores alone;
      ASSERT_TRUE(policy->score(groups[g], &alone).ok());
      EXPECT_EQ(together[g].raw, alone.raw);
      EXPECT_EQ(together[g].drift, alone.drift);
      EXPECT_EQ(together[g].entry_state, alone.entry_state);
    }
    const VotePoint vote = policy->traits().vote;
    const auto rows = vote_and_smooth(together, vote, Granularity::kv_head, GroupVote::mean, crew);
    for (size_t g = 0; g < 3; ++g)
      EXPECT_EQ(rows[g], vote_and_smooth(together[g], vote, Granularity::kv_head, GroupVote::mean));
  }
  crew.dismiss();
}

// Scores of policies that do not say that they depend on the budget serve every budget.
TEST(Policies, SayWhereScoresDependOnTheBudget) {
  for (const PolicyOptions& options : all_options()) {
    const auto policy = made(options);
    if (policy->traits().keeps_all || policy->traits().position_only) continue;
    if (policy->traits().scores_by_budget) continue;
    Group group(*policy);
    GroupScores small, large;
    ASSERT_TRUE(policy->score(group.view, &small).ok());
    group.view.context.budget += 100;
    ASSERT_TRUE(policy->score(group.view, &large).ok());
    EXPECT_EQ(small.raw, large.raw) << options.name;
    EXPECT_EQ(small.n_scored, large.n_scored);
    ASSERT_EQ(small.smoothing.size(), large.smoothing.size());
    for (size_t h = 0; h < small.smoothing.size(); ++h) {
      EXPECT_EQ(small.smoothing[h].kernel, large.smoothing[h].kernel) << options.name;
      EXPECT_EQ(small.smoothing[h].shift, large.smoothing[h].shift) << options.name;
    }
  }
}

TEST(Policies, HalfRowsGiveWhatTheSameFloatsGive) {
  for (const PolicyOptions& options : all_options()) {
    const auto policy = made(options);
    if (policy->traits().position_only) continue;
    Group group(*policy);
    GroupScores floats, halves;
    ASSERT_TRUE(policy->score(group.view, &floats).ok());
    group.use_halves();
    ASSERT_TRUE(policy->score(group.view, &halves).ok());
    EXPECT_EQ(floats.raw, halves.raw) << options.name;
    EXPECT_EQ(floats.drift, halves.drift);
  }
}

TEST(Policies, EqualEntriesTieToTheLowerPosition) {
  for (PolicyOptions options : all_options()) {
    if (options.name == "random") continue;
    SCOPED_TRACE(options.name);
    // Shifted boxes and zeros beyond the edges do not leave equal scores equal.
    options.spatial = options.name == "rest-kv" || options.name == "snapkv" ? "none" : "";
    options.indicator = "reconstruction";
    const auto policy = made(options);
    if (policy->traits().position_only) continue;
    const Group group(*policy, 1, true);
    const int64_t n_first = kBudget - group.view.context.window;
    for (const auto& head : select(*policy, group.view, Granularity::query_head)) {
      for (int32_t i = 0; i < n_first; ++i)
        EXPECT_EQ(head[i], i);
    }
  }
}

TEST(Policies, NamesMatchTheRegistry) {
  for (std::string_view name : policy_names()) {
    EXPECT_EQ(made({.name = std::string(name)})->traits().name, name);
  }
}

// A long cache's window rows are computed in several blocks, the shorter the more query heads share
// a KV head. Where they end must not show in the scores.
TEST(Policies, BlocksOfRowsLeaveNoSeams) {
  constexpr int64_t kLong = 40000, kWindow = 32, kCopies = 7;
  const std::vector<float> keys = random_floats(kLong * kHeadDim, 1);
  const std::vector<float> query = random_floats(kWindow * kHeadDim, 2);
  std::vector<float> factors(kCopies * kHeadDim * kHeadDim, 0.0f);
  std::vector<float> queries;
  for (int64_t i = 0; i < kCopies * kHeadDim; ++i) {
    factors[i * kHeadDim + i % kHeadDim] = 1.0f;  // the identity, for each copy
  }
  for (int64_t i = 0; i < kCopies; ++i)
    queries.insert(queries.end(), query.begin(), query.end());
  for (const char* temporal : {"ema", "inv-ema"}) {
    for (bool before : {false, true}) {
      const auto policy = made({.mode_before = before, .temporal = temporal});
      Observation group;
      group.context = {0, 1, 1024, kWindow};
      group.attention_scale = 0.25f;
      group.keys = {keys.data(), ElementType::f32, kLong, kHeadDim, kHeadDim};
      group.values = group.keys;
      GroupScores one, many;
      group.queries = {queries.data(), {1, kWindow, kHeadDim}};
      group.wo_factor = {factors.data(), {1, kHeadDim, kHeadDim}};
      ASSERT_TRUE(policy->score(group, &one).ok());
      group.queries.shape[0] = kCopies;
      group.wo_factor.shape[0] = kCopies;
      ASSERT_TRUE(policy->score(group, &many).ok());
      EXPECT_EQ(one.drift[0], many.drift[kCopies - 1]);
      for (int64_t j = 0; j < one.n_scored; ++j) {
        ASSERT_FLOAT_EQ(one.raw[j], many.raw[j]) << temporal << " " << j;
        ASSERT_EQ(many.raw[j], many.raw[(kCopies - 1) * one.n_scored + j]);
      }
    }
  }
}

struct BadOption {
  PolicyOptions options;
  const char* flag;
};

TEST(PolicyOptions, BadOnesAreRefusedByName) {
  const std::vector<BadOption> list = {
      {{.name = "best"}, "--kv-policy"},
      {{.name = ""}, "--kv-policy"},
      {{.window = 31}, "--kv-window"},
      {{.window = 0}, "--kv-window"},
      {{.window = -4}, "--kv-window"},
      {{.kernel = 4}, "--kv-kernel"},
      {{.kernel = 0}, "--kv-kernel"},
      {{.kernel = -3}, "--kv-kernel"},
      {{.alpha = 0.0}, "--kv-alpha"},
      {{.alpha = 1.5}, "--kv-alpha"},
      {{.alpha = std::nan("")}, "--kv-alpha"},
      {{.beta = 0.0}, "--kv-beta"},
      {{.beta = -1.0}, "--kv-beta"},
      {{.tau = std::nan("")}, "--kv-tau"},
      {{.temporal = "sum"}, "--kv-temporal"},
      {{.spatial = "median"}, "--kv-spatial"},
      {{.indicator = "random"}, "--kv-indicator"},
      {{.name = "snapkv", .kernel = 2}, "--kv-kernel"},
      {{.name = "snapkv", .spatial = "adaptive"}, "--kv-spatial"},
      {{.name = "snapkv", .temporal = "ema"}, "--kv-temporal"},
      {{.name = "streaming-llm", .n_sink = -2}, "--kv-sink"},
      {{.name = "lacache", .n_sink = INT64_MAX}, "--kv-sink"},
      {{.name = "lacache", .span = 0}, "--kv-span"},
      {{.name = "lacache", .span = INT64_MAX}, "--kv-span"},
      {{.name = "lacache", .overlap = -1}, "--kv-overlap"},
      {{.name = "lacache", .span = 8, .overlap = 8}, "--kv-overlap"},
      {{.name = "expected-attention", .n_sink = -7}, "--kv-sink"},
      {{.name = "h2o", .window = 0}, "--kv-window"},
      {{.name = "cam", .window = 0}, "--kv-window"},
      {{.name = "cam", .merge_threshold = 1.5}, "--kv-merge-threshold"},
      {{.name = "cam", .merge_threshold = std::nan("")}, "--kv-merge-threshold"},
      {{.name = "cam", .start_ratio = -0.1}, "--kv-start-ratio"},
  };
  for (const BadOption& bad : list) {
    const auto policy = make_policy(bad.options);
    ASSERT_FALSE(policy.ok()) << bad.flag;
    EXPECT_EQ(policy.status().kind(), ErrorKind::usage);
    EXPECT_TRUE(policy.status().message().starts_with(bad.flag)) << policy.status().message();
    EXPECT_EQ(policy.status().message().find('\n'), std::string::npos);
  }
  const std::string message = make_policy({.name = "best"}).status().message();
  for (std::string_view name : policy_names())
    EXPECT_NE(message.find(name), std::string::npos);
  for (std::string_view name : preset_names())
    EXPECT_NE(message.find(name), std::string::npos);
}

TEST(PolicyOptions, AnOddWindowIsFineWithoutAdaptiveSmoothing) {
  EXPECT_TRUE(make_policy({.window = 31, .spatial = "avgpool"}).ok());
  EXPECT_TRUE(make_policy({.name = "snapkv", .window = 31}).ok());
}

TEST(Policies, ABudgetThatIsTooSmallIsACapacityError) {
  for (const PolicyOptions& options : all_options()) {
    const auto policy = made(options);
    if (policy->traits().keeps_all) continue;
    SCOPED_TRACE(options.name);
    EXPECT_EQ(policy->check_budget(policy->effective_window(kWindow, 0), 0, kLayers).kind(),
              ErrorKind::capacity);
    EXPECT_TRUE(policy->check_budget(policy->effective_window(kWindow, 4096), 4096, kLayers).ok());
  }
  const auto rest_kv = made({});
  Group group(*rest_kv);
  group.view.context.budget = 32;
  GroupScores scores;
  EXPECT_EQ(rest_kv->score(group.view, &scores).kind(), ErrorKind::capacity);
  const auto streaming = made({.name = "streaming-llm"});
  const auto kept = streaming->select_positions({.budget = 4}, kLength, nullptr);
  EXPECT_EQ(kept.status().kind(), ErrorKind::capacity);
}

}  // namespace
}  // namespace restkv
