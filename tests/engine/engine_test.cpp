// The engine on a tiny model: what is computed in one go equals what is computed in parts.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "engine/decode.h"
#include "engine/generate.h"
#include "engine/perplexity.h"
#include "tests/engine/sequences.h"

namespace restkv {
namespace {

using test::cache_config;
using test::expect_equal;
using test::random_tokens;
using test::tiny_model;

std::unique_ptr<Compute> make_compute(const std::atomic<bool>* cancel = nullptr) {
  return test::make_compute(cancel, 2);
}

PrefillResult read(const std::vector<int32_t>& tokens, const std::vector<CacheConfig>& configs) {
  std::vector<std::shared_ptr<const CachePlan>> plans;
  for (const CacheConfig& c : configs)
    plans.push_back(std::move(*CachePlan::make(c)));
  auto compute = make_compute();
  auto result =
      prefill(*tiny_model(), *compute, {.tokens = tokens}, plans, std::make_shared<KvMeter>());
  EXPECT_TRUE(result.ok()) << result.status().message();
  return std::move(*result);
}

std::vector<float> step(std::vector<DecodeSlot> slots) {
  std::vector<float> logits;
  auto compute = make_compute();
  const Status status = decode(*tiny_model(), *compute, slots, &logits);
  EXPECT_TRUE(status.ok()) << status.message();
  return logits;
}

double max_difference(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i)
    worst = std::max<double>(worst, std::abs(a[i] - b[i]));
  return worst;
}

TEST(Prefill, OneReadingServesManyConfigurations) {
  const auto tokens = random_tokens(700, 1);
  const std::vector<CacheConfig> configs{
      cache_config("full", 64), cache_config("rest-kv", 64), cache_config("snapkv", 32),
      cache_config("streaming-llm", 48), cache_config("rest-kv", 40, Granularity::query_head)};
  const PrefillResult together = read(tokens, configs);
  for (size_t i = 0; i < configs.size(); ++i) {
    const PrefillResult alone = read(tokens, {configs[i]});
    expect_equal(together.sequences[i].cache, alone.sequences[0].cache);
    EXPECT_EQ(together.read.last_logits, alone.read.last_logits);
  }
}

TEST(Prefill, KeepsTheBudgetTheWindowAndOriginalPositions) {
  const auto tokens = random_tokens(300, 2);
  for (const auto* policy : {"rest-kv", "snapkv", "streaming-llm"}) {
    const PrefillResult result = read(tokens, {cache_config(policy, 64)});
    for (const LayerCache& layer : result.sequences[0].cache.layers) {
      for (int32_t h = 0; h < layer.n_head(); ++h) {
        const auto positions = layer.positions(h);
        ASSERT_EQ(positions.size(), 64u);
        EXPECT_TRUE(std::ranges::is_sorted(positions));
        for (int32_t i = 0; i < 8; ++i)
          EXPECT_EQ(positions[56 + i], 292 + i);
      }
    }
  }
}

TEST(Prefill, ShortPromptsAreLeftAlone) {
  const auto tokens = random_tokens(60, 3);
  const PrefillResult result =
      read(tokens, {cache_config("rest-kv", 64), cache_config("full", 64)});
  expect_equal(result.sequences[0].cache, result.sequences[1].cache);
}

TEST(Prefill, PeakIsOneLayerPlusTheCompressedCache) {
  const PrefillResult result = read(random_tokens(2000, 4), {cache_config("rest-kv", 64)});
  const size_t one_layer = 2000u * 2 * 16 * 2 * 2;
  const KvCache& cache = result.sequences[0].cache;
  EXPECT_EQ(cache.meter->peak_bytes(), one_layer + cache.used_bytes());
}

TEST(Decode, ContinuesAsPrefillWould) {
  auto tokens = random_tokens(301, 5);
  const PrefillResult whole = read(tokens, {cache_config("full", 64)});
  const int32_t last = tokens.back();
  tokens.pop_back();
  PrefillResult part = read(tokens, {cache_config("full", 64)});
  const std::vector<float> logits = step({{&part.sequences[0], last}});
  EXPECT_LT(max_difference(logits, whole.read.last_logits), 2e-2);
}

TEST(Decode, BatchEqualsOneAtATime) {
  const auto a = random_tokens(300, 6), b = random_tokens(150, 7);
  const auto caches = [&] {
    std::vector<Sequence> c;
    c.push_back(std::move(read(a, {cache_config("rest-kv", 64)}).sequences[0]));
    c.push_back(std::move(read(b, {cache_config("full", 64)}).sequences[0]));
    c.push_back(
        std::move(read(a, {cache_config("snapkv", 32, Granularity::query_head)}).sequences[0]));
    return c;
  };
  std::vector<Sequence> batch = caches(), single = caches();
  for (int32_t round = 0; round < 3; ++round) {
    const std::vector<float> together =
        step({{&batch[0], 5 + round}, {&batch[1], 9}, {&batch[2], 70 + round}});
    const size_t n = together.size() / 3;
    const int32_t tokens[] = {5 + round, 9, 70 + round};
    for (size_t s = 0; s < 3; ++s) {
      const std::vector<float> alone = step({{&single[s], tokens[s]}});
      EXPECT_LT(max_difference(std::span(together).subspan(s * n, n), alone), 1e-3);
    }
  }
}

TEST(Decode, RaggedPathEqualsUniformPath) {
  const auto tokens = random_tokens(300, 8);
  PrefillResult uniform = read(tokens, {cache_config("rest-kv", 64)});
  PrefillResult other = read(tokens, {cache_config("rest-kv", 64)});
  // The same entries, but with uneven room, so that the layer is no longer one plain tensor.
  for (LayerCache& layer : other.sequences[0].cache.layers) {
    const std::vector<int32_t> capacity{70, 90};
    LayerCache uneven = std::move(*LayerCache::allocate(
        capacity, layer.head_dim(), StorageType::f16, other.sequences[0].cache.meter));
    std::vector<int32_t> all(64);
    for (int32_t i = 0; i < 64; ++i)
      all[i] = i;
    for (int32_t h = 0; h < 2; ++h) {
      const auto rows = [&](const std::byte* data) {
        return RowsView{data, ElementType::f16, 64, 16, 16};
      };
      uneven.append_rows(h, rows(layer.k_row(h, 0)), rows(layer.v_row(h, 0)), all, all);
    }
    ASSERT_FALSE(uneven.is_uniform());
    layer = std::move(uneven);
  }
  const std::vector<float> a = step({{&uniform.sequences[0], 3}});
  const std::vector<float> b = step({{&other.sequences[0], 3}});
  EXPECT_LT(max_difference(a, b), 1e-4);
}

TEST(Decode, FailureChangesNoCache) {
  PrefillResult result = read(random_tokens(100, 9), {cache_config("full", 64)});
  const std::atomic<bool> cancelled{true};
  auto compute = make_compute(&cancelled);
  std::vector<float> logits;
  const DecodeSlot slot{&result.sequences[0], 1};
  EXPECT_FALSE(decode(*tiny_model(), *compute, {&slot, 1}, &logits).ok());
  EXPECT_EQ(result.sequences[0].cache.next_position, 100);
  EXPECT_EQ(result.sequences[0].cache.layers[0].count(0), 100);
}

TEST(Perplexity, PrefixWithFullCacheEqualsOnePass) {
  auto compute = make_compute();
  PerplexityRequest request;
  request.tokens = random_tokens(220, 10);
  request.cache = cache_config("full", 64);
  const auto whole = perplexity(*tiny_model(), *compute, request);
  request.n_prefix = 200;
  const auto tail = perplexity(*tiny_model(), *compute, request);
  ASSERT_TRUE(whole.ok() && tail.ok());
  ASSERT_EQ(whole->token_nll.size(), 219u);
  ASSERT_EQ(tail->token_nll.size(), 20u);
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_NEAR(tail->token_nll[i], whole->token_nll[199 + i], 2e-2);
  }
}

TEST(Generate, SaysWhyItStopped) {
  auto compute = make_compute();
  GenerateRequest request;
  request.prompt = random_tokens(200, 11);
  request.cache = cache_config("rest-kv", 64);
  request.sampling.temperature = 0;
  request.answer.ignore_eos = true;
  request.answer.n_predict = 20;
  const auto result = generate(*tiny_model(), *compute, request);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->answer.finish_reason, "length");
  EXPECT_EQ(result->answer.tokens.size(), 20u);
  EXPECT_EQ(result->kv_entries, 64 * 2 * 3);
  request.answer.n_ctx = 205;
  EXPECT_EQ(generate(*tiny_model(), *compute, request)->answer.tokens.size(), 5u);
  request.answer.n_ctx = 100;
  EXPECT_EQ(generate(*tiny_model(), *compute, request).status().kind(), ErrorKind::capacity);
}

TEST(Generate, NanWeightsAreAnErrorOfTheModel) {
  const std::string path =
      ::testing::TempDir() + "restkv_nan_" + std::to_string(::getpid()) + ".gguf";
  for (const auto* tensor :
       {"blk.1.ffn_down.weight", "output_norm.weight", "blk.0.attn_v.weight"}) {
    const auto model = Model::load(test::write_tiny_model(path, tensor));
    ASSERT_TRUE(model.ok());
    auto compute = make_compute();
    GenerateRequest request;
    request.prompt = random_tokens(200, 12);
    request.cache = cache_config("rest-kv", 64);
    const auto result = generate(**model, *compute, request);
    ASSERT_FALSE(result.ok()) << tensor;
    EXPECT_EQ(result.status().kind(), ErrorKind::model) << tensor;
  }
  ::unlink(path.c_str());
}

TEST(CachePlan, RefusesBudgetsThatCannotBe) {
  const auto kind = [](const CacheConfig& c) { return CachePlan::make(c).status().kind(); };
  EXPECT_EQ(kind(cache_config("rest-kv", 8)), ErrorKind::capacity);
  EXPECT_EQ(kind(cache_config("rest-kv", 0)), ErrorKind::capacity);
  CacheConfig sinks = cache_config("streaming-llm", 4);
  EXPECT_EQ(kind(sinks), ErrorKind::capacity);
  sinks.policy.n_sink = 0;
  EXPECT_TRUE(CachePlan::make(sinks).ok());
  EXPECT_TRUE(CachePlan::make(cache_config("full", 1)).ok());
  CacheConfig even = cache_config("rest-kv", 64);
  even.policy.kernel = 4;
  EXPECT_EQ(kind(even), ErrorKind::usage);
  EXPECT_EQ(kind(cache_config("no-such-policy", 64)), ErrorKind::usage);
}

}  // namespace
}  // namespace restkv
