// Spans, lists of blocks, histograms, options.
#include "sparse/block_mask.h"

#include <gtest/gtest.h>

#include <numeric>

#include "sparse/coverage.h"
#include "sparse/pattern.h"
#include "tests/random.h"

namespace restkv::sparse {
namespace {

TEST(QuerySpan, BlocksThatAQueryBlockSees) {
  for (int64_t n_query : {1, 64, 128, 129, 300}) {
    for (int64_t n_before : {0, 1, 100, 128, 500}) {
      const QuerySpan span{n_query, n_before + n_query, 0, 0};
      int64_t causal = 0;
      for (int64_t b = 0; b < span.n_query_block(); ++b) {
        const int64_t last = std::min(n_query, (b + 1) * kBlock) - 1;
        int64_t n = 0;
        for (int64_t j = 0; j < span.n_key_block(); ++j)
          n += j * kBlock <= n_before + last ? 1 : 0;
        EXPECT_EQ(span.n_visible(b), n);
        EXPECT_EQ(span.first_key(b), n_before + b * kBlock);
        EXPECT_EQ(span.last_key(b), n_before + last);
        causal += n;
      }
      EXPECT_EQ(count_causal(span), causal);
    }
  }
}

TEST(QuerySpan, DenseTail) {
  EXPECT_EQ(n_dense_queries(0, 512, 1000, 128), 0);
  EXPECT_EQ(n_dense_queries(512, 488, 1000, 128), 128);
  EXPECT_EQ(n_dense_queries(512, 400, 1000, 128), 40);
  EXPECT_EQ(n_dense_queries(900, 100, 1000, 128), 100);
  EXPECT_EQ(n_dense_queries(0, 50, 50, 128), 50);
  const QuerySpan span{300, 300, 0, 50};
  EXPECT_FALSE(span.is_dense(0));
  EXPECT_TRUE(span.is_dense(1));
  EXPECT_TRUE(span.is_dense(2));
  EXPECT_FALSE(QuerySpan({300, 300, 0, 44}).is_dense(1));
  EXPECT_FALSE(QuerySpan({300, 300, 0, 0}).is_dense(2));
}

TEST(ListBlocks, WhatTheMaskSays) {
  const std::vector<uint8_t> masks = {1, 0, 0, 0, 0, 0, 1, 1, 1};
  std::vector<int32_t> offsets(4), blocks(9);
  EXPECT_EQ(list_blocks(masks, 3, 3, offsets.data(), blocks.data()), 4);
  EXPECT_EQ(offsets, (std::vector<int32_t>{0, 1, 1, 4}));
  EXPECT_EQ(std::vector<int32_t>(blocks.begin(), blocks.begin() + 4),
            (std::vector<int32_t>{0, 0, 1, 2}));
}

TEST(BlockCount, Share) {
  BlockCount count{3, 4};
  count += {1, 4};
  EXPECT_DOUBLE_EQ(count.share(), 0.5);
  EXPECT_DOUBLE_EQ(BlockCount{}.share(), 1.0);
}

TEST(Coverage, ThresholdReachesGammaAndLittleMore) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    std::vector<float> weights = random_floats(500, seed);
    for (float& w : weights)
      w = std::min(1.0f, std::exp(2.0f * w) / 100.0f);
    weights[3] = 0.0f;
    weights[4] = 1.0f;
    Coverage coverage;
    coverage.add(weights);
    const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
    float before = 2.0f;
    for (double gamma : {0.1, 0.5, 0.9, 0.99, 1.0}) {
      const float least = coverage.threshold(gamma);
      double found = 0.0, without_lowest = 0.0;
      for (const float w : weights) {
        found += w >= least ? w : 0.0f;
        without_lowest += w >= least * 1.1f ? w : 0.0f;
      }
      EXPECT_GE(found, gamma * all * (1.0 - 1e-6));
      // Bins are an eighth of an octave wide.
      EXPECT_LT(without_lowest, gamma * all + 1e-9);
      EXPECT_LE(least, before);
      before = least;
    }
  }
}

TEST(Coverage, Empty) {
  EXPECT_EQ(Coverage().threshold(0.5), 0.0f);
  Coverage none;
  none.add(std::vector<float>(5, 0.0f));
  EXPECT_EQ(none.threshold(0.5), 0.0f);
}

TEST(Coverage, AddsTimes) {
  const std::vector<float> weights = {0.5f, 0.25f, 0.01f};
  Coverage twice, once;
  twice.add(weights, 2.0);
  once.add(weights);
  Coverage sum = once;
  sum.add(once, 1.0);
  for (double gamma : {0.2, 0.6, 0.9, 1.0})
    EXPECT_EQ(sum.threshold(gamma), twice.threshold(gamma));
}

TEST(Options, BadValuesNameTheFlag) {
  const auto refused = [](const char* flag, auto change) {
    PrefillAttention options;
    change(options);
    const Status status = check(options);
    EXPECT_FALSE(status.ok()) << flag;
    EXPECT_EQ(status.kind(), ErrorKind::usage);
    EXPECT_EQ(status.message().find(flag), 0u) << status.message();
    EXPECT_FALSE(make_pattern(options).ok());
  };
  EXPECT_TRUE(check(PrefillAttention{}).ok());
  for (double bad : {0.0, -0.1, 1.1, std::nan("")})
    refused("--prefill-gamma", [&](auto& o) { o.gamma = bad; });
  for (double bad : {-0.1, 1.1, std::nan("")})
    refused("--prefill-tau", [&](auto& o) { o.tau = bad; });
  for (int64_t bad : {int64_t{-1}, int64_t{1} << 40}) {
    refused("--prefill-min-budget", [&](auto& o) { o.min_budget = bad; });
    refused("--prefill-vertical", [&](auto& o) { o.n_vertical = bad; });
    refused("--prefill-slash", [&](auto& o) { o.n_slash = bad; });
    refused("--prefill-sink", [&](auto& o) { o.n_sink = bad; });
    refused("--prefill-local", [&](auto& o) { o.n_local = bad; });
  }
  refused("--prefill-local", [](auto& o) { o.n_local = 0; });
}

TEST(Options, EveryKindIsMade) {
  for (int kind = 0; kind < 4; ++kind) {
    PrefillAttention options;
    options.kind = static_cast<PrefillAttention::Kind>(kind);
    const auto pattern = make_pattern(options);
    ASSERT_TRUE(pattern.ok());
    EXPECT_EQ(*pattern == nullptr, options.kind == PrefillAttention::Kind::dense);
    EXPECT_EQ(pattern_name(options.kind), pattern_names()[kind]);
  }
}

}  // namespace
}  // namespace restkv::sparse
