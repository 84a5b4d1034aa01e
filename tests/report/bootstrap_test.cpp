#include "report/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

namespace restkv::report {
namespace {

std::vector<double> means_of(const std::vector<double>& rows, size_t n_column,
                             const Resampling& resampling) {
  std::vector<double> means(n_column * resampling.n_resample);
  resample_means(rows, n_column, resampling, means);
  return means;
}

double mean(const std::vector<double>& x) {
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}

double deviation(const std::vector<double>& x) {
  double squares = 0;
  for (const double v : x)
    squares += (v - mean(x)) * (v - mean(x));
  return std::sqrt(squares / static_cast<double>(x.size()));
}

TEST(Bootstrap, OneRowIsDrawnAlways) {
  for (const double m : means_of({0.25}, 1, {1, 100}))
    EXPECT_EQ(m, 0.25);
}

// Of a 0 and a 1 two draws have the mean 0, 1/2, 1 with probability 1/4, 1/2, 1/4.
TEST(Bootstrap, TwoRowsHaveTheBinomialDistribution) {
  const std::vector<double> means = means_of({0, 1}, 1, {3, 100000});
  EXPECT_NEAR(std::ranges::count(means, 0.0) / 1e5, 0.25, 0.006);
  EXPECT_NEAR(std::ranges::count(means, 0.5) / 1e5, 0.50, 0.006);
  EXPECT_NEAR(std::ranges::count(means, 1.0) / 1e5, 0.25, 0.006);
}

// The deviation of resampled means is that of the sample by the root of n; the interval of many
// samples is the normal one.
TEST(Bootstrap, AgreesWithTheClosedForm) {
  std::vector<double> rows(400);
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i] = static_cast<double>(i * i % 401) / 401;
  std::vector<double> means = means_of(rows, 1, {7, 20000});
  const double expected = deviation(rows) / std::sqrt(400.0);
  EXPECT_NEAR(mean(means), mean(rows), 4 * expected / std::sqrt(20000.0));
  EXPECT_NEAR(deviation(means), expected, 0.03 * expected);
  const Interval interval = central_interval(means);
  EXPECT_NEAR(interval.low, mean(rows) - 1.96 * expected, 0.1 * expected);
  EXPECT_NEAR(interval.high, mean(rows) + 1.96 * expected, 0.1 * expected);
}

TEST(Bootstrap, ColumnsAreResampledTogether) {
  const std::vector<double> rows = {0, 1, 1, 0, 0.5, 0.5, 1, 0, 0.25, 0.75};  // each pair adds to 1
  const std::vector<double> means = means_of(rows, 2, {5, 1000});
  for (size_t r = 0; r < 1000; ++r)
    EXPECT_EQ(means[r] + means[1000 + r], 1.0);
}

TEST(Bootstrap, SameSeedSameNumbers) {
  const std::vector<double> rows = {0, 0.25, 1, 0.5, 0.75};
  EXPECT_EQ(means_of(rows, 1, {11, 50}), means_of(rows, 1, {11, 50}));
  EXPECT_NE(means_of(rows, 1, {11, 50}), means_of(rows, 1, {12, 50}));
  // Recorded: any machine draws these.
  const std::vector<double> first = means_of(rows, 1, {11, 4});
  EXPECT_EQ(first, (std::vector<double>{0.4, 0.6, 0.55, 0.5}));
}

TEST(Bootstrap, IntervalCutsAFortiethFromEitherEnd) {
  std::vector<double> values(10000);
  std::iota(values.rbegin(), values.rend(), 0);
  Interval interval = central_interval(values);
  EXPECT_EQ(interval.low, 249);
  EXPECT_EQ(interval.high, 9750);
  std::vector<double> few = {3, 1, 2};
  interval = central_interval(few);
  EXPECT_EQ(interval.low, 1);
  EXPECT_EQ(interval.high, 3);
}

}  // namespace
}  // namespace restkv::report
