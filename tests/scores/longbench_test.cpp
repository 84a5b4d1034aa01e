#include "scores/longbench.h"

#include <gtest/gtest.h>

#include <set>

namespace restkv {
namespace {

const LongBenchTask& task(std::string_view name) {
  return **find_longbench_task(name);
}

TEST(LongBench, SixteenSetsInSixCategories) {
  EXPECT_EQ(longbench_tasks().size(), 16u);
  EXPECT_EQ(longbench_categories().size(), 6u);
  std::set<std::string_view> names;
  int n_in_e = 0;
  for (const LongBenchTask& t : longbench_tasks()) {
    names.insert(t.name);
    n_in_e += t.in_e;
    const auto metric = find_metric(t.metric_name);
    ASSERT_TRUE(metric.ok());
    EXPECT_EQ(*metric, t.metric) << t.name;
  }
  EXPECT_EQ(names.size(), 16u);
  EXPECT_EQ(n_in_e, 13);
  EXPECT_EQ(find_longbench_task("dureader").status().kind(), ErrorKind::usage);
}

TEST(LongBench, FirstLineRule) {
  const LongBenchSample sample{"\n\nParis\nLondon", {"Paris"}};
  EXPECT_EQ(longbench_sample(task("triviaqa"), sample, {}).value, 1);
  EXPECT_LT(longbench_sample(task("hotpotqa"), sample, {}).value, 1);
  EXPECT_EQ(longbench_sample(task("triviaqa"), {"\r\nParis", {"Paris"}}, {}).value, 0);
  EXPECT_EQ(longbench_sample(task("triviaqa"), {"\n\n", {"Paris"}}, {}).value, 0);
}

TEST(LongBench, BucketsByLength) {
  const std::vector<LongBenchSample> samples = {
      {"x", {"x"}, 3999}, {"y", {"x"}, 3999}, {"x", {"x"}, 8000}, {"y", {"x"}, 20000}};
  const LongBenchScore score = longbench_score(task("qasper"), samples, {});
  EXPECT_EQ(score.score.value, 50);
  EXPECT_EQ(score.by_length[0], 50);
  EXPECT_FALSE(score.by_length[1].has_value());
  EXPECT_EQ(score.by_length[2], 50);
}

TEST(LongBench, NoSamples) {
  const LongBenchScore score = longbench_score(task("qasper"), {}, {});
  EXPECT_EQ(score.score.error, "ZeroDivisionError");
  EXPECT_FALSE(score.by_length[0].has_value());
}

TEST(LongBench, ErrorsEndTheSet) {
  const std::vector<LongBenchSample> samples = {{"7", {"Paragraph 7"}}, {"7", {"seven"}}};
  EXPECT_EQ(longbench_score(task("passage_retrieval_en"), samples, {}).score.error, "IndexError");
  EXPECT_FALSE(longbench_percent(Score::raises("IndexError")).ok());
}

TEST(LongBench, TwoAverages) {
  const std::vector<std::pair<std::string, double>> scores = {
      {"narrativeqa", 10}, {"qasper", 20}, {"lcc", 60}};
  const LongBenchAverages averages = longbench_averages(scores);
  EXPECT_EQ(averages.of_data_sets, 30);
  EXPECT_EQ(averages.of_categories, 37.5);
  EXPECT_EQ(averages.categories.size(), 2u);
  EXPECT_EQ(averages.missing.size(), 13u);
  EXPECT_FALSE(longbench_averages({}).of_data_sets.has_value());
}

}  // namespace
}  // namespace restkv
