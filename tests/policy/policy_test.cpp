// Invariants of every policy in the registry, and the shared pieces around them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "policy/drift.h"
#include "random.h"
#include "restkv/policy.h"

namespace restkv {
namespace {

constexpr int64_t kHeadDim = 16;
constexpr int64_t kLength = 300;
constexpr int64_t kBudget = 64;
constexpr int32_t kGroup = 3;

// One KV-head group of random tensors that binary16 holds exactly.
struct Group {
  explicit Group(const EvictionPolicy& policy, int64_t window = 32, uint32_t seed = 1)
      : queries(random_floats(kGroup * window * kHeadDim, seed, 2.0f)),
        keys(rounded_to_half(random_floats(kLength * kHeadDim, seed + 1))),
        values(rounded_to_half(random_floats(kLength * kHeadDim, seed + 2))),
        factors(kGroup * kHeadDim * kHeadDim),
        half_keys(to_halves(keys)),
        half_values(to_halves(values)),
        positions(kLength) {
    const std::vector<float> wo = random_floats(kGroup * kHeadDim * 40, seed + 3);
    for (int32_t h = 0; h < kGroup; ++h) {
      projection_factor(wo.data() + h * kHeadDim, 40, kHeadDim, kGroup * kHeadDim,
                        factors.data() + h * kHeadDim * kHeadDim);
    }
    std::iota(positions.begin(), positions.end(), 0);
    view.context = {0, 4, kBudget, policy.effective_window(window, kBudget)};
    view.attention_scale = 0.25f;
    view.queries = {queries.data(), {kGroup, window, kHeadDim}};
    view.positions = positions;
    view.wo_factor = {factors.data(), {kGroup, kHeadDim, kHeadDim}};
    view.n_group = kGroup;
    use_floats();
  }

  void use_floats() {
    view.keys = {keys.data(), ElementType::f32, kLength, kHeadDim, kHeadDim};
    view.values = {values.data(), ElementType::f32, kLength, kHeadDim, kHeadDim};
  }
  void use_halves() {
    view.keys = {half_keys.data(), ElementType::f16, kLength, kHeadDim, kHeadDim};
    view.values = {half_values.data(), ElementType::f16, kLength, kHeadDim, kHeadDim};
  }

  std::vector<float> queries, keys, values, factors;
  std::vector<uint16_t> half_keys, half_values;
  std::vector<int32_t> positions;
  Observation view;
};

// The policies with the switches that change their path.
std::vector<PolicyOptions> all_options() {
  std::vector<PolicyOptions> list;
  for (std::string_view name : policy_names())
    list.push_back({.name = std::string(name)});
  for (const char* spatial : {"adaptive", "avgpool", "maxpool", "none"}) {
    for (const char* temporal : {"ema", "mean", "inv-ema", "none"}) {
      list.push_back({.temporal = temporal, .spatial = spatial});
    }
    list.push_back({.mode_before = true, .use_norm = true, .spatial = spatial});
  }
  for (const char* indicator : {"attn", "attn-v"})
    list.push_back({.indicator = indicator});
  list.push_back({.tau = 2.0});
  list.push_back({.use_projection = false});
  list.push_back({.name = "snapkv", .spatial = "maxpool"});
  list.push_back({.name = "streaming-llm", .n_sink = 0});
  return list;
}

std::unique_ptr<EvictionPolicy> made(const PolicyOptions& options) {
  auto policy = make_policy(options);
  EXPECT_TRUE(policy.ok()) << policy.status().message();
  return std::move(*policy);
}

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

TEST(Policies, KeepTheBudgetTheWindowAndTheOrder) {
  for (const PolicyOptions& options : all_options()) {
    const auto policy = made(options);
    const Group group(*policy);
    for (Granularity granularity : {Granularity::kv_head, Granularity::query_head}) {
      const auto kept = select(*policy, group.view, granularity);
      for (const std::vector<int32_t>& head : kept) {
        const bool full = options.name == "full";
        EXPECT_EQ(head.size(), full ? kLength : kBudget) << options.name;
        EXPECT_TRUE(std::is_sorted(head.begin(), head.end()));
        EXPECT_EQ(std::set(head.begin(), head.end()).size(), head.size());
        if (policy->traits().protects == Protects::nothing) continue;
        const int64_t window = group.view.context.window;
        for (int64_t i = 1; i <= window; ++i)
          EXPECT_EQ(head[head.size() - i], kLength - i);
      }
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
  for (const char* name : {"rest-kv", "snapkv"}) {
    const auto policy = made({.name = name, .spatial = "none"});
    Group group(*policy);
    // All entries alike: every past entry must then score alike, and the first ones stay.
    for (int64_t j = 1; j < kLength; ++j) {
      std::copy_n(group.keys.begin(), kHeadDim, group.keys.begin() + j * kHeadDim);
      std::copy_n(group.values.begin(), kHeadDim, group.values.begin() + j * kHeadDim);
    }
    const auto kept = select(*policy, group.view, Granularity::query_head);
    for (const std::vector<int32_t>& head : kept) {
      for (int32_t i = 0; i < kBudget - 32; ++i)
        EXPECT_EQ(head[i], i) << name;
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
      {{.name = "streaming-llm", .n_sink = -2}, "--kv-sink"},
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
}

TEST(PolicyOptions, AnOddWindowIsFineWithoutAdaptiveSmoothing) {
  EXPECT_TRUE(make_policy({.window = 31, .spatial = "avgpool"}).ok());
  EXPECT_TRUE(make_policy({.name = "snapkv", .window = 31}).ok());
}

TEST(Policies, ABudgetThatIsTooSmallIsACapacityError) {
  const auto rest_kv = made({});
  Group group(*rest_kv);
  group.view.context.budget = 32;
  GroupScores scores;
  EXPECT_EQ(rest_kv->score(group.view, &scores).kind(), ErrorKind::capacity);
  const auto streaming = made({.name = "streaming-llm"});
  const auto kept = streaming->select_positions({.budget = 4}, kLength, nullptr);
  EXPECT_EQ(kept.status().kind(), ErrorKind::capacity);
}

TEST(StreamingLlm, KeepsSinksAndTheRecent) {
  const auto policy = made({.name = "streaming-llm"});
  EXPECT_EQ(policy->effective_window(32, 10), 6);
  const auto kept = policy->select_positions({.budget = 10, .window = 6}, 100, nullptr);
  EXPECT_EQ(*kept, (std::vector<int32_t>{0, 1, 2, 3, 94, 95, 96, 97, 98, 99}));
  EXPECT_EQ(policy->select_positions({.budget = 10}, 7, nullptr).value().size(), 7u);
}

TEST(AdaptiveSmoothing, FollowsThePublishedRounding) {
  struct Case {
    double quotient;
    int64_t kernel, shift;
  };
  // policies.md 2.3: zero gives +1, a whole negative number -c gives -c + 1.
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
  EXPECT_EQ(select_entries(scores, 2, 7, std::vector<int32_t>{0}), (std::vector<int32_t>{0, 2, 5, 6}));
  EXPECT_EQ(select_entries(scores, 0, 7), (std::vector<int32_t>{5, 6}));
  EXPECT_EQ(select_entries(scores, 99, 5).size(), 5u);
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
