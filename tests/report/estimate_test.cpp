#include "report/estimate.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "lines.h"
#include "scores/longbench.h"
#include "scores/rounding.h"

namespace restkv::report {
namespace {

constexpr Resampling kResampling{1, 2000};

Estimates estimate_all(const Section& section) {
  return estimate(section, scopes_of(section),
                  quantities_of(section, comparisons_of(section, {"snapkv"})), kResampling);
}

// The estimate of a scope by its name; the difference to the reference's policy, or the score.
const std::optional<Estimate>& find(const Section& section, const Estimates& estimates,
                                    const std::string& scope, const std::string& policy,
                                    const std::string& reference = "") {
  static const std::optional<Estimate> kNone;
  const auto policy_of = [&](size_t v) {
    return section.series[section.variants[v].series].policy;
  };
  for (size_t s = 0; s < estimates.scopes.size(); ++s) {
    if (estimates.scopes[s].name != scope) continue;
    for (size_t q = 0; q < estimates.quantities.size(); ++q) {
      const Quantity& quantity = estimates.quantities[q];
      const std::string other = quantity.reference ? policy_of(*quantity.reference) : "";
      if (policy_of(quantity.variant) == policy && other == reference) return estimates.at(s, q);
    }
  }
  return kNone;
}

TEST(Estimate, ScoreIsTheRoundedMean) {
  const Results results = load({scored({}, {1, 0, 0})});
  const Section& section = results.sections[0];
  const Estimates estimates = estimate_all(section);
  const auto& score = find(section, estimates, "vt", "full");
  ASSERT_TRUE(score && score->interval);
  EXPECT_EQ(score->value, 33.33);
  EXPECT_EQ(score->n, 3u);
  EXPECT_EQ(score->interval->low, 0);
  EXPECT_EQ(score->interval->high, 100);
}

TEST(Estimate, OneSampleHasNoInterval) {
  const Results results = load({scored({}, {1})});
  const Estimates estimates = estimate_all(results.sections[0]);
  const auto& score = find(results.sections[0], estimates, "vt", "full");
  ASSERT_TRUE(score);
  EXPECT_FALSE(score->interval);
}

// The samples differ much, the two policies by 0.1 on each: only pairs show it.
TEST(Estimate, DifferencesArePaired) {
  std::vector<double> low, high;
  for (int i = 0; i < 20; ++i) {
    low.push_back(i % 2 == 0 ? 0.0 : 0.9);
    high.push_back(low.back() + 0.1);
  }
  const Results results =
      load({scored(evicted("snapkv", 64, 5), low), scored(evicted("rest-kv", 64, 5), high)});
  const Section& section = results.sections[0];
  const Estimates estimates = estimate_all(section);
  const auto& difference = find(section, estimates, "vt", "rest-kv", "snapkv");
  ASSERT_TRUE(difference && difference->interval);
  EXPECT_NEAR(difference->value, 10, 1e-9);
  EXPECT_NEAR(difference->interval->low, 10, 1e-9);
  EXPECT_NEAR(difference->interval->high, 10, 1e-9);
  EXPECT_TRUE(difference->excludes_zero());
  const auto& score = find(section, estimates, "vt", "rest-kv");
  EXPECT_GT(score->interval->high - score->interval->low, 20);
}

TEST(Estimate, EqualScoresDoNotDiffer) {
  const std::vector<double> scores = {0.1, 0.7, 1.0 / 3};
  const Results results =
      load({scored(evicted("snapkv", 64, 5), scores), scored(evicted("rest-kv", 64, 5), scores)});
  const Section& section = results.sections[0];
  const Estimates estimates = estimate_all(section);
  EXPECT_FALSE(find(section, estimates, "vt", "rest-kv", "snapkv")->excludes_zero());
}

TEST(Estimate, OnlyPairsCountInADifference) {
  auto rest = scored(evicted("rest-kv", 64, 5), {1, 1, 1, 1});
  rest[3].score = nullptr;
  const Results results = load({rest, scored(evicted("snapkv", 64, 5), {0, 1, 0, 0})});
  const Section& section = results.sections[0];
  const Estimates estimates = estimate_all(section);
  const auto& difference = find(section, estimates, "vt", "rest-kv", "snapkv");
  EXPECT_EQ(difference->n, 3u);
  EXPECT_NEAR(difference->value, 200.0 / 3, 1e-9);
  EXPECT_EQ(find(section, estimates, "vt", "rest-kv")->n, 3u);
  EXPECT_EQ(find(section, estimates, "vt", "snapkv")->n, 4u);
}

TEST(Estimate, AveragesWeighTasksAndResampleWithin) {
  LineSpec fwe;
  fwe.task = "fwe";
  const Results results = load({scored({}, {1, 1, 1, 1, 1, 1, 1, 1}), scored(fwe, {0, 1})});
  const Section& section = results.sections[0];
  const Estimates estimates = estimate_all(section);
  const auto& average = find(section, estimates, "mean over tasks", "full");
  ASSERT_TRUE(average && average->interval);
  EXPECT_EQ(average->value, 75);  // not 90, the mean of all samples
  EXPECT_EQ(average->n, 10u);
  EXPECT_EQ(average->interval->low, 50);  // vt never moves
  EXPECT_EQ(average->interval->high, 100);
}

TEST(Estimate, NoAverageWhereATaskIsMissing) {
  LineSpec fwe;
  fwe.task = "fwe";
  auto unscored = scored(evicted("h2o", 64), {1});
  unscored[0].task = "fwe";
  unscored[0].score = nullptr;
  const Results results =
      load({scored({}, {1, 0}), scored(fwe, {0, 1}), scored(evicted("h2o", 64), {1, 1}), unscored});
  const Section& section = results.sections[0];
  const Estimates estimates = estimate_all(section);
  EXPECT_TRUE(find(section, estimates, "mean over tasks", "full"));
  EXPECT_TRUE(find(section, estimates, "vt", "h2o"));
  EXPECT_FALSE(find(section, estimates, "fwe", "h2o"));
  EXPECT_FALSE(find(section, estimates, "mean over tasks", "h2o"));
  EXPECT_FALSE(find(section, estimates, "mean over tasks", "h2o", "full"));
}

TEST(Estimate, LengthsOfTheSameTasksHaveAMean) {
  LineSpec longer;
  longer.length = 8192;
  const Results results = load({scored({}, {1, 1}), scored(longer, {0, 1})});
  const Estimates estimates = estimate_all(results.sections[0]);
  EXPECT_EQ(find(results.sections[0], estimates, "mean over lengths", "full")->value, 75);
}

TEST(Estimate, LongBenchAveragesAreThePublishedOnes) {
  std::vector<std::vector<LineSpec>> groups;
  std::vector<std::pair<std::string, double>> scores;
  double x = 0.1;
  for (const char* task : {"narrativeqa", "qasper", "hotpotqa", "trec", "triviaqa", "lcc"}) {
    LineSpec spec;
    spec.benchmark = "longbench";
    spec.task = task;
    const std::vector<double> values = {x, 1 - x, x / 3};
    groups.push_back(scored(spec, values));
    scores.emplace_back(task, round2(100 * (x + (1 - x) + x / 3) / 3));
    x += 0.13;
  }
  const Results results = load(groups);
  const Section& section = results.sections[0];
  const Estimates estimates = estimate_all(section);
  const LongBenchAverages expected = longbench_averages(scores);
  EXPECT_NEAR(find(section, estimates, "average of data sets", "full")->value,
              *expected.of_data_sets, 1e-9);
  EXPECT_NEAR(find(section, estimates, "average of categories", "full")->value,
              *expected.of_categories, 1e-9);
  EXPECT_NEAR(find(section, estimates, "category few-shot", "full")->value,
              expected.categories[2].second, 1e-9);
}

// Other variants in the files leave an interval as it is.
TEST(Estimate, IntervalsDoNotDependOnWhatElseRan) {
  const std::vector<double> scores = {1, 0, 0.5, 0.25, 0, 1, 1};
  const Results alone = load({scored(evicted("snapkv", 64, 5), scores)});
  std::vector<std::vector<LineSpec>> many = {scored(evicted("snapkv", 64, 5), scores)};
  for (int64_t budget = 65; budget < 165; ++budget)
    many.push_back(scored(evicted("h2o", budget), {1, 0, 0, 0, 1}));
  const Results crowd = load(many);
  const Estimates alone_estimates = estimate_all(alone.sections[0]),
                  crowd_estimates = estimate_all(crowd.sections[0]);
  const auto& a = find(alone.sections[0], alone_estimates, "vt", "snapkv");
  const auto& b = find(crowd.sections[0], crowd_estimates, "vt", "snapkv");
  EXPECT_EQ(a->interval->low, b->interval->low);
  EXPECT_EQ(a->interval->high, b->interval->high);
}

}  // namespace
}  // namespace restkv::report
