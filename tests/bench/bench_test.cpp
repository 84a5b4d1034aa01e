// Medians, ratios and divergences of the benchmarks, and the structure of the synthetic layer.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "bench/common/agreement.h"
#include "bench/common/stats.h"
#include "bench/common/text.h"
#include "bench/kernels/kernel_case.h"
#include "bench/layer/activations.h"
#include "bench/layer/paper.h"
#include "bench/layer/sampled_chunks.h"
#include "bench/layer/shapes.h"
#include "bench/layer/synthetic.h"
#include "bench/patterns/head_trial.h"
#include "core/half.h"

namespace restkv::bench {
namespace {

TEST(Stats, MedianAndRange) {
  const Spread odd = spread_of({3, 1, 2});
  EXPECT_EQ(odd.median, 2);
  EXPECT_EQ(odd.min, 1);
  EXPECT_EQ(odd.max, 3);
  EXPECT_EQ(spread_of({4, 1, 2, 3}).median, 2.5);
  EXPECT_EQ(spread_of({7}).median, 7);
}

TEST(Stats, RatioOfMediansAndOfPairs) {
  const std::vector<double> a = {2, 4, 9}, b = {1, 4, 3};
  const Ratio ratio = ratio_of(a, b);
  EXPECT_DOUBLE_EQ(ratio.of_medians, 4.0 / 3);
  EXPECT_EQ(ratio.min, 1);
  EXPECT_EQ(ratio.max, 3);
}

TEST(AgreementOf, Logits) {
  const std::vector<float> a = {1, 2, 3}, shifted = {11, 12, 13}, other = {3, 2, 1};
  EXPECT_TRUE(compare_logits(a, shifted).same_top);
  EXPECT_NEAR(compare_logits(a, shifted).kl, 0, 1e-6);
  EXPECT_FALSE(compare_logits(a, other).ok());
  // p = (1, 2) / 3 from q = (1, 1) / 2: ln 2 - entropy.
  const std::vector<float> p = {0, std::log(2.0f)}, q = {0, 0};
  const double entropy = -(std::log(1.0 / 3) / 3 + 2 * std::log(2.0 / 3) / 3);
  EXPECT_NEAR(compare_logits(p, q).kl, std::log(2.0) - entropy, 1e-6);
}

TEST(AgreementOf, EntriesWithThePlan) {
  CacheConfig config;
  config.budget = 64;
  const auto plan = CachePlan::make(config);
  ASSERT_TRUE(plan.ok());
  HParams hp;
  hp.n_layer = 3;
  hp.n_head = 4;
  hp.n_head_kv = 2;
  EXPECT_EQ(*planned_entries(**plan, hp, 50), 50 * 6);
  EXPECT_EQ(*planned_entries(**plan, hp, 500), 64 * 6);
  EXPECT_TRUE(kept_as_planned(**plan, 384, 384));
  EXPECT_FALSE(kept_as_planned(**plan, 383, 384));
}

TEST(Ledger, IsTheSameEveryTimeAndNotTheSameTwice) {
  EXPECT_EQ(ledger_page(1), ledger_page(1));
  EXPECT_NE(ledger_page(1), ledger_page(2));
}

TEST(Shapes, OfOneLayer) {
  for (const LayerShape& shape : layer_shapes()) {
    EXPECT_EQ(shape.n_head % shape.n_head_kv, 0u) << shape.name;
    EXPECT_EQ(shape.n_embd % 32, 0u) << shape.name;
    EXPECT_EQ(shape.n_ff % 32, 0u) << shape.name;
  }
  EXPECT_EQ(layer_weights(*find_shape("mistral-7b")), 218103808);  // x 32: 6.98 of its 7.25 * 10^9
  EXPECT_FALSE(find_shape("mistral").ok());
}

TEST(Paper, FiguresByLength) {
  EXPECT_EQ(paper_figure("mistral-7b", "full", 131072)->seconds_per_token, 0.342);
  EXPECT_EQ(paper_figure("mistral-7b", "rest-kv", 4096)->peak_gb, 16.31);
  EXPECT_TRUE(paper_figure("mistral-7b", "full", 262144)->out_of_memory);
  EXPECT_FALSE(paper_figure("mistral-7b", "h2o", 4096));
  EXPECT_FALSE(paper_figure("mistral-7b", "full", 4097));
  EXPECT_FALSE(paper_figure("llama3-8b", "full", 4096));
}

TEST(Synthetic, SpansLieApart) {
  for (const int64_t n : {512, 4096, 100000}) {
    const std::vector<int64_t> spans = planted_spans(n);
    ASSERT_EQ(static_cast<int64_t>(spans.size()), kPlantedSpans);
    EXPECT_GE(spans[0], kSinkTokens);
    EXPECT_LE(spans.back() + kSpanTokens, n - 128);
    for (size_t i = 1; i < spans.size(); ++i)
      EXPECT_GE(spans[i], spans[i - 1] + kSpanTokens) << n;
  }
}

// Shares of a late query's attention, mean over some of them.
struct Shares {
  double sink = 0, planted = 0, near = 0;
};

Shares shares_of(const SyntheticShape& shape) {
  const int64_t n = shape.n_token, d = shape.head_dim;
  std::vector<uint16_t> keys(n * d), values(n * d);
  synthetic_rows(shape, 0, keys.data(), values.data());
  const std::vector<int64_t> spans = planted_spans(n);
  std::vector<float> query(d);
  std::vector<double> weights(n);
  Shares mean;
  constexpr int kQueries = 8;
  for (int i = 0; i < kQueries; ++i) {
    synthetic_query(shape, i % shape.n_head, n - 1 - 3 * i, query.data());
    for (int64_t t = 0; t < n; ++t) {
      double dot = 0;
      for (int64_t c = 0; c < d; ++c)
        dot += query[c] * half_to_float(keys[t * d + c]);
      weights[t] = std::exp(dot / std::sqrt(static_cast<double>(d)));
    }
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0) * kQueries;
    mean.sink += std::accumulate(weights.begin(), weights.begin() + kSinkTokens, 0.0) / total;
    mean.near += std::accumulate(weights.end() - 128, weights.end(), 0.0) / total;
    for (const int64_t span : spans) {
      const auto from = weights.begin() + span;
      mean.planted += std::accumulate(from, from + kSpanTokens, 0.0) / total;
    }
  }
  return mean;
}

TEST(Synthetic, AttentionHasSinkNeighbourhoodAndPlantedSpans) {
  for (const int64_t d : {64, 128, 256}) {
    for (const int64_t n : {4096, 32768}) {
      const Shares shares = shares_of({.n_head = 2, .n_head_kv = 1, .head_dim = d, .n_token = n});
      EXPECT_GT(shares.sink, 0.1) << d << ", " << n;
      EXPECT_GT(shares.planted, 0.1) << d << ", " << n;
      EXPECT_GT(shares.near, 0.01) << d << ", " << n;
    }
  }
}

// Flex on the heads of one layer: mean share of blocks, mean mass.
struct Found {
  double share = 0, mass = 0;
};

Found flex_on(const ActivationShape& shape, int64_t n) {
  const int64_t d = shape.head_dim, n_group = shape.n_head / shape.n_head_kv;
  std::vector<uint16_t> keys(n * d), values(n * d);
  std::vector<float> queries(n * d);
  Found found;
  for (int64_t h = 0; h < shape.n_head; ++h) {
    if (h % n_group == 0) structured_rows(shape, h / n_group, n, keys.data(), values.data());
    structured_queries(shape, h, 0, n, queries.data(), d);
    const RowsView k{keys.data(), ElementType::f16, n, d, d};
    const RowsView v{values.data(), ElementType::f16, n, d, d};
    const std::vector<float> pooled = pool_keys(k);
    const HeadTrial trial({queries.data(), n, k, v, pooled, shape.scale, 2048, n / 16});
    PrefillAttention flex;
    flex.kind = PrefillAttention::Kind::flex;
    const PatternQuality quality = trial.run(flex);
    found.share += quality.blocks.share() / static_cast<double>(shape.n_head);
    found.mass += quality.mass / static_cast<double>(shape.n_head);
  }
  return found;
}

// Measured on Qwen2.5-Coder-0.5B (docs/sparse-prefill.md): 0.44, 0.32 and 0.21 of the blocks.
TEST(Activations, AreAsSparseAsRealOnes) {
  const ActivationShape shape{.n_head = 14, .n_head_kv = 2, .head_dim = 64, .scale = 0.125f};
  const struct {
    int64_t n;
    double share;
  } real[] = {{6971, 0.444}, {13931, 0.319}, {27643, 0.214}};
  for (const auto& [n, share] : real) {
    const Found found = flex_on(shape, n);
    EXPECT_NEAR(found.share, share, 0.05) << n;
    EXPECT_NEAR(found.mass, 0.96, 0.02) << n;
  }
}

TEST(SampledChunks, AreWholeAndSpreadFromTheFirstToTheLast) {
  const std::vector<Chunk> chunks = divide_prompt(20 * 512 + 100, 512);
  ASSERT_EQ(chunks.size(), 21u);
  std::vector<int64_t> first;
  for (const Chunk& c : chunks) {
    if (c.sampled) first.push_back(c.first / 512);
  }
  EXPECT_EQ(first, (std::vector<int64_t>{0, 4, 9, 14, 19}));
  EXPECT_EQ(divide_prompt(2 * 512 + 20, 512).back().n, 532);
  EXPECT_TRUE(divide_prompt(100, 512)[0].sampled);
}

TEST(SampledChunks, ValuesLieOnStraightLines) {
  const std::vector<Chunk> chunks = divide_prompt(20 * 512, 512);
  std::vector<double> sampled;
  for (const Chunk& c : chunks) {
    if (c.sampled) sampled.push_back(2.0 + static_cast<double>(c.first));
  }
  EXPECT_NEAR(over_prompt(chunks, sampled), 2.0 + 9.5 * 512, 1e-6);
}

TEST(KernelCases, HaveNamesWorkAndAPlainLoop) {
  for (const KernelCase& one : all_cases(1)) {
    EXPECT_FALSE(one.kernel.empty());
    EXPECT_GT(one.work, 0) << one.kernel;
    EXPECT_NE(one.variant(kernels::supported_kernels()[0]), nullptr) << one.kernel;
    EXPECT_TRUE(one.run && one.result) << one.kernel;
  }
}

}  // namespace
}  // namespace restkv::bench
