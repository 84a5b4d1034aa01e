#include "report/results.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "lines.h"
#include "report/configuration.h"

namespace restkv::report {
namespace {

TEST(Results, OrderOfLinesDoesNotMatter) {
  std::vector<LineSpec> specs;
  for (const LineSpec& variant : {LineSpec(), evicted("h2o", 64), evicted("snapkv", 64, 5)}) {
    for (const LineSpec& spec : scored(variant, {0.5, 1, 0}))
      specs.push_back(spec);
  }
  const Results forward = load({specs});
  std::ranges::reverse(specs);
  const Results backward = load({specs});
  ASSERT_EQ(forward.sections.size(), 1u);
  const Section &a = forward.sections[0], &b = backward.sections[0];
  EXPECT_EQ(a.series, b.series);
  EXPECT_EQ(a.strata[0].samples, b.strata[0].samples);
  for (size_t v = 0; v < a.variants.size(); ++v)
    EXPECT_EQ(a.strata[0].cells[v].scores, b.strata[0].cells[v].scores);
  EXPECT_EQ(a.series[0].name, "full");
  EXPECT_EQ(a.series[1].name, "snapkv k5");
  EXPECT_EQ(a.series[2].name, "h2o");
}

TEST(Results, ConfigurationsAreNeverMixed) {
  LineSpec other_seed, other_model;
  other_seed.seed = 43;
  other_model.model = "big";
  const Results results = load({{LineSpec()}, {other_seed}, {other_model}});
  ASSERT_EQ(results.sections.size(), 3u);
  const std::vector<std::string> titles = titles_of(results.sections);
  EXPECT_TRUE(std::ranges::count(titles, "ruler, tiny, seed 42") == 1);
  EXPECT_TRUE(std::ranges::count(titles, "ruler, tiny, seed 43") == 1);
  EXPECT_TRUE(std::ranges::count(titles, "ruler, big") == 1);
}

TEST(Results, RepeatedLinesCountOnce) {
  const Results results = load({{LineSpec(), LineSpec()}});
  EXPECT_EQ(results.n_line, 2u);
  EXPECT_EQ(results.n_repeated, 1u);
  EXPECT_EQ(results.sections[0].strata[0].cells[0].n_line, 1u);
}

// What else a line says is a section of its own, and one line all the same.
TEST(Results, OtherMeasuresStandApart) {
  ResultLoader loader;
  for (const double kl : {0.25, 0.75}) {
    LineSpec spec;
    spec.benchmark = spec.task = "fidelity";
    spec.sample = kl < 0.5 ? "a" : "b";
    spec.score = 0.5;
    nlohmann::json line = line_of(spec);
    line["scores"] = {{"kl", kl}, {"nll_change", -kl}};
    ASSERT_TRUE(loader.take(line).ok());
  }
  const Results results = loader.finish();
  EXPECT_EQ(results.n_line, 2u);
  EXPECT_EQ(results.n_repeated, 0u);
  ASSERT_EQ(results.sections.size(), 3u);
  const std::vector<std::string> titles = titles_of(results.sections);
  EXPECT_EQ(titles[0], "fidelity, tiny");
  EXPECT_EQ(titles[1], "fidelity, KL divergence, tiny");
  EXPECT_EQ(titles[2], "fidelity, change of the NLL, tiny");
  EXPECT_EQ(results.sections[0].strata[0].cells[0].scores, (std::vector<double>{0.5, 0.5}));
  EXPECT_EQ(results.sections[1].strata[0].cells[0].scores, (std::vector<double>{0.25, 0.75}));
  EXPECT_EQ(results.sections[2].strata[0].cells[0].scores, (std::vector<double>{-0.25, -0.75}));
  LineSpec bad;
  bad.benchmark = "fidelity";
  nlohmann::json line = line_of(bad);
  line["scores"] = {{"kl", "much"}};
  EXPECT_NE(ResultLoader().take(line).message().find("field kl is \"much\""), std::string::npos);
}

TEST(Results, ALineIsTakenWholeOrNotAtAll) {
  ResultLoader loader;
  LineSpec spec;
  spec.benchmark = "fidelity";
  nlohmann::json line = line_of(spec);
  line["scores"] = {{"kl", "much"}};
  EXPECT_FALSE(loader.take(line).ok());
  EXPECT_TRUE(loader.finish().sections.empty());
}

TEST(Results, ContradictingLinesAreRefused) {
  ResultLoader loader;
  LineSpec spec;
  ASSERT_TRUE(loader.take(line_of(spec)).ok());
  spec.score = 0.5;
  const Status status = loader.take(line_of(spec));
  EXPECT_EQ(status.message(), "sample 0 of vt scores 0.5 with full, another line says 1.0");
}

TEST(Results, SeriesOfOneNameAreToldApart) {
  LineSpec per_query = evicted("snapkv", 64, 5);
  per_query.granularity = "query-head";
  const Results results = load({{evicted("snapkv", 64, 5)}, {per_query}});
  ASSERT_EQ(results.sections[0].series.size(), 2u);
  EXPECT_EQ(results.sections[0].series[0].name, "snapkv k5 kv-head");
  EXPECT_EQ(results.sections[0].series[1].name, "snapkv k5 query-head");
}

TEST(Results, TasksStandInTheBenchmarksOrder) {
  LineSpec cwe, single, longer;
  cwe.task = "cwe";
  single.task = "niah_single_1";
  longer.length = 8192;
  const Results results = load({{longer}, {cwe}, {single}, {LineSpec()}});
  std::vector<std::string> order;
  for (const Stratum& stratum : results.sections[0].strata)
    order.push_back(stratum.task + " " + std::to_string(*stratum.length));
  EXPECT_EQ(order,
            (std::vector<std::string>{"niah_single_1 4096", "vt 4096", "cwe 4096", "vt 8192"}));
}

}  // namespace
}  // namespace restkv::report
