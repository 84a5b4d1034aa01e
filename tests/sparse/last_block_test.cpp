// What the last queries attend to, against plain loops; what the methods make of it.
#include "sparse/last_block.h"

#include <gtest/gtest.h>

#include <numeric>

#include "sparse/block_mask.h"
#include "tests/sparse/head.h"

namespace restkv::sparse {
namespace {

using test::Head;

double sum(const std::vector<float>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

struct Shape {
  int64_t n_query, n_key, d;
};

std::vector<Shape> shapes() {
  return {{1, 1, 16}, {5, 5, 24}, {128, 128, 16}, {200, 500, 40}, {130, 1025, 64}, {64, 90, 80}};
}

TEST(LastBlock, ColumnsAndDiagonals) {
  for (const Shape& shape : shapes()) {
    for (int64_t n_row : {64, 128}) {
      const Head head(shape.n_query, shape.n_key, shape.d);
      const LastBlock last = observe_last(head.observation, n_row);
      const int64_t n = std::min(n_row, shape.n_query), n_block = n_blocks(shape.n_key);
      std::vector<double> columns(n_block, 0.0), diagonals(n_block, 0.0);
      for (int64_t i = shape.n_query - n; i < shape.n_query; ++i) {
        const std::vector<double> row = test::weights(head.observation, i);
        const int64_t here = static_cast<int64_t>(row.size()) - 1;
        for (int64_t j = 0; j <= here; ++j) {
          columns[j / kBlock] += row[j] / n;
          // Which block distances a diagonal crosses, over all places in a block.
          for (int64_t place = 0; place < kBlock; ++place) {
            const int64_t distance = (here - j + kBlock - 1 - place) / kBlock;
            diagonals[std::min(distance, n_block - 1)] += row[j] / n / kBlock;
          }
        }
      }
      ASSERT_EQ(last.columns.size(), columns.size());
      ASSERT_EQ(last.diagonals.size(), diagonals.size());
      for (int64_t b = 0; b < n_block; ++b) {
        EXPECT_NEAR(last.columns[b], columns[b], 1e-5);
        EXPECT_NEAR(last.diagonals[b], diagonals[b], 1e-5) << b;
      }
      EXPECT_NEAR(sum(last.columns), 1.0, 1e-5);
      EXPECT_NEAR(sum(last.diagonals), 1.0, 1e-5);
    }
  }
}

TEST(LastBlock, Estimate) {
  for (const Shape& shape : shapes()) {
    const Head head(shape.n_query, shape.n_key, shape.d);
    const std::vector<float> estimate = estimate_last(head.observation, kBlock);
    EXPECT_EQ(estimate.size(), static_cast<size_t>(n_blocks(shape.n_key)));
    EXPECT_NEAR(sum(estimate), 1.0, 1e-5);
  }
}

TEST(LastBlock, EstimateIsExactWhereStretchesAreEqual) {
  Head head(128, 512, 16);
  for (int64_t i = 0; i < 128; ++i) {
    std::copy_n(head.query(i / kPool * kPool), 16, head.queries.data() + i * (16 + Head::kPad));
  }
  for (int64_t j = 0; j < 512; ++j)
    std::copy_n(head.halves.begin() + j / kPool * kPool * 16, 16, head.halves.begin() + j * 16);
  pool_rows(head.observation.keys, 0, n_pooled(512), head.pooled.data());
  const std::vector<float> estimate = estimate_last(head.observation, 128);
  const LastBlock last = observe_last(head.observation, 128);
  // All but the stretch that a query stands in, of which it sees a part.
  for (size_t b = 0; b + 1 < estimate.size(); ++b)
    EXPECT_NEAR(estimate[b], last.columns[b], 0.03 * last.columns[b] + 1e-4);
}

TEST(PoolRows, Means) {
  for (int64_t n : {1, 15, 16, 17, 40, 128}) {
    for (int64_t d : {3, 64, 80, 130}) {
      const std::vector<float> values = rounded_to_half(random_floats(n * (d + 2), 3));
      const std::vector<uint16_t> halves = to_halves(values);
      for (ElementType type : {ElementType::f32, ElementType::f16}) {
        const bool half = type == ElementType::f16;
        const RowsView rows{half ? static_cast<const void*>(halves.data()) : values.data(), type, n,
                            d, d + 2};
        std::vector<float> out(n_pooled(n) * d);
        pool_rows(rows, 0, n_pooled(n), out.data());
        for (int64_t p = 0; p < n_pooled(n); ++p) {
          for (int64_t c = 0; c < d; ++c) {
            double mean = 0.0;
            const int64_t end = std::min(n, (p + 1) * kPool);
            for (int64_t r = p * kPool; r < end; ++r)
              mean += values[r * (d + 2) + c];
            ASSERT_NEAR(out[p * d + c], mean / (end - p * kPool), 1e-5);
          }
        }
      }
    }
  }
}

TEST(Cover, AsFewAsReachGamma) {
  const std::vector<float> weights = {0.1f, 0.4f, 0.0f, 0.4f, 0.1f};
  EXPECT_EQ(cover(weights, 0.0, 0), (std::vector<int32_t>{}));
  EXPECT_EQ(cover(weights, 0.3, 0), (std::vector<int32_t>{1}));
  EXPECT_EQ(cover(weights, 0.5, 0), (std::vector<int32_t>{1, 3}));
  EXPECT_EQ(cover(weights, 0.85, 0), (std::vector<int32_t>{0, 1, 3}));
  EXPECT_EQ(cover(weights, 0.0, 2), (std::vector<int32_t>{1, 3}));
  EXPECT_EQ(cover(weights, 0.3, 9), (std::vector<int32_t>{0, 1, 2, 3, 4}));
}

TEST(JensenShannon, Limits) {
  EXPECT_DOUBLE_EQ(jensen_shannon_distance({0.5f, 0.5f}, {0.5f, 0.5f}), 0.0);
  EXPECT_NEAR(jensen_shannon_distance({1.0f, 0.0f}, {0.0f, 1.0f}), std::sqrt(std::log(2.0)), 1e-9);
  const double d = jensen_shannon_distance({0.9f, 0.1f}, {0.2f, 0.8f});
  EXPECT_NEAR(d, jensen_shannon_distance({0.2f, 0.8f}, {0.9f, 0.1f}), 1e-12);
  EXPECT_GT(d, 0.3);
}

TEST(Flex, TauDecidesTheKind) {
  const Head head(300, 300, 32);
  for (const double tau : {0.0, 1.0}) {
    PrefillAttention options;
    options.kind = PrefillAttention::Kind::flex;
    options.tau = tau;
    const auto pattern = make_pattern(options);
    EXPECT_EQ((*pattern)->pools(), tau > 0.0);
    EXPECT_EQ((*pattern)->choose(head.observation).query_aware, tau > 0.0);
  }
}

TEST(Flex, ColumnsAndDiagonalsCoverGamma) {
  const Head head(128, 2000, 32);
  const LastBlock last = observe_last(head.observation, kBlock);
  for (const double gamma : {0.2, 0.6, 0.95}) {
    PrefillAttention options;
    options.kind = PrefillAttention::Kind::flex;
    options.tau = 0.0;
    options.gamma = gamma;
    options.min_budget = 0;
    const HeadPattern pattern = (*make_pattern(options))->choose(head.observation);
    double columns = 0.0, diagonals = 0.0;
    for (const int32_t j : pattern.columns)
      columns += last.columns[j];
    for (const int32_t j : pattern.diagonals)
      diagonals += last.diagonals[j];
    EXPECT_GE(columns, gamma - 1e-5);
    EXPECT_GE(diagonals, gamma - 1e-5);
    EXPECT_LT(pattern.columns.size(), last.columns.size() + 1);
    options.min_budget = 1024;
    EXPECT_GE((*make_pattern(options))->choose(head.observation).columns.size(), 8u);
  }
}

TEST(MInference, AsManyAsAsked) {
  const Head head(128, 2000, 32);
  PrefillAttention options;
  options.kind = PrefillAttention::Kind::minference;
  options.n_vertical = 300;
  options.n_slash = 700;
  HeadPattern pattern = (*make_pattern(options))->choose(head.observation);
  EXPECT_EQ(pattern.columns.size(), 3u);
  EXPECT_EQ(pattern.diagonals.size(), 6u);
  options.n_slash = 1 << 20;
  pattern = (*make_pattern(options))->choose(head.observation);
  EXPECT_EQ(pattern.diagonals.size(), 16u);
}

}  // namespace
}  // namespace restkv::sparse
