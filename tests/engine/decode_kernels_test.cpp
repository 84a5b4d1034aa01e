// Decoding with our own attention beside ggml's, and how its work is shared out.
#include <gtest/gtest.h>

#include <numeric>

#include "engine/decode_split.h"
#include "tests/engine/sequences.h"

namespace restkv {
namespace {

using test::cache_config;
using test::random_tokens;
using test::relative_error;

// ggml adds values up in f16 where queries are few; see positions_test.cpp for the two bounds.
constexpr double kOneLayer = 2e-3;
constexpr double kThreeLayers = 1e-2;
// Sums in another order, three layers deep.
constexpr double kRounding = 1e-4;

struct Decoded {
  std::vector<float> logits;  // of all steps
  Sequence sequence;
};

// A prompt read by ggml's kernels and ten tokens decoded by `kernels`.
Decoded decode_after(const std::shared_ptr<const Model>& model, const CacheConfig& config,
                     Kernels kernels, int n_threads = 1) {
  Decoded result{{}, test::make_sequence(config)};
  const auto reader = test::make_compute(nullptr, 1, Kernels::ggml);
  const auto read = extend(*model, *reader, {.tokens = random_tokens(150, 1)}, &result.sequence);
  EXPECT_TRUE(read.ok()) << read.status().message();
  const auto compute = test::make_compute(nullptr, n_threads, kernels);
  for (const int32_t token : random_tokens(10, 2)) {
    const DecodeSlot slot{&result.sequence, token};
    std::vector<float> logits;
    const Status status = decode(*model, *compute, {&slot, 1}, &logits);
    EXPECT_TRUE(status.ok()) << status.message();
    result.logits.insert(result.logits.end(), logits.begin(), logits.end());
  }
  return result;
}

std::vector<CacheConfig> configs(StorageType type, KeyPositions positions) {
  std::vector<CacheConfig> all;
  for (const auto* policy : {"full", "snapkv", "adakv"}) {
    for (const auto granularity : {Granularity::kv_head, Granularity::query_head}) {
      CacheConfig& config = all.emplace_back(cache_config(policy, 48, granularity));
      config.type = type;
      config.positions = positions;
    }
  }
  return all;
}

TEST(DecodeKernels, AreCloseToGgmls) {
  for (const StorageType type : {StorageType::f16, StorageType::q8_0, StorageType::q4_0}) {
    for (const auto& model : {test::tiny_model(), test::wide_model(), test::qwen_model(),
                              test::gemma_model(), test::one_layer_model()}) {
      if (!check_storage(type, model->hparams().head_dim).ok()) continue;
      for (const CacheConfig& config : configs(type, KeyPositions::original)) {
        SCOPED_TRACE(model->hparams().arch + " " + config.policy.name);
        const double bound = model->hparams().n_layer == 1 ? kOneLayer : kThreeLayers;
        const Decoded own = decode_after(model, config, Kernels::automatic);
        const Decoded ggml = decode_after(model, config, Kernels::ggml);
        EXPECT_LT(relative_error(own.logits, ggml.logits),
                  type == StorageType::f16 ? bound : 5 * bound);
      }
    }
  }
}

TEST(DecodeKernels, TheNumberOfThreadsIsRounding) {
  for (const KeyPositions positions : {KeyPositions::original, KeyPositions::cache}) {
    for (const CacheConfig& config : configs(StorageType::f16, positions)) {
      SCOPED_TRACE(config.policy.name);
      const Decoded one = decode_after(test::tiny_model(), config, Kernels::automatic);
      for (const int n_threads : {2, 3, 5}) {
        const Decoded many =
            decode_after(test::tiny_model(), config, Kernels::automatic, n_threads);
        EXPECT_LT(relative_error(many.logits, one.logits), kRounding);
        const Decoded again =
            decode_after(test::tiny_model(), config, Kernels::automatic, n_threads);
        EXPECT_EQ(many.logits, again.logits);
      }
    }
  }
}

TEST(DecodeKernels, KeysThatTurnAreOursWithEveryChoice) {
  for (const CacheConfig& config : configs(StorageType::f16, KeyPositions::cache)) {
    // Matrix products alone differ, by the order of their sums.
    const Decoded own = decode_after(test::qwen_model(), config, Kernels::automatic);
    const Decoded ggml = decode_after(test::qwen_model(), config, Kernels::ggml);
    EXPECT_LT(relative_error(own.logits, ggml.logits), 1e-5);
  }
}

// What later cuts look at does not depend on the kernels.
TEST(DecodeKernels, LogsHoldTheSameQueries) {
  CacheConfig config = cache_config("snapkv", 48);
  config.schedule = Schedule{Schedule::Kind::decode, 4};
  const Decoded own = decode_after(test::gemma_model(), config, Kernels::automatic);
  const Decoded ggml = decode_after(test::gemma_model(), config, Kernels::ggml);
  const QueryRows a = own.sequence.memory[0].rotated.rows(),
                  b = ggml.sequence.memory[0].rotated.rows();
  ASSERT_EQ(a.n_query, b.n_query);
  ASSERT_GT(a.n_query, 0);
  for (int64_t h = 0; h < test::gemma_model()->hparams().n_head; ++h) {
    for (int64_t i = 0; i < a.n_query; ++i)
      EXPECT_LT(relative_error({a.row(h, i), static_cast<size_t>(a.head_dim)},
                               {b.row(h, i), static_cast<size_t>(b.head_dim)}),
                1e-6);
  }
}

// Every entry once, in order, in parts that know their place; runs of nearly one length.
void expect_split(const std::vector<int64_t>& counts, int32_t n_unit, int64_t align) {
  const DecodeSplit split = split_entries(counts, n_unit, align);
  ASSERT_EQ(split.first_part.size(), static_cast<size_t>(n_unit) + 1);
  ASSERT_EQ(split.first_part.back(), static_cast<int32_t>(split.parts.size()));
  size_t at = 0;
  for (size_t h = 0; h < counts.size(); ++h) {
    int64_t entry = 0;
    for (int32_t i = 0; entry < counts[h]; ++i, ++at) {
      ASSERT_LT(at, split.parts.size());
      const HeadPart& part = split.parts[at];
      EXPECT_EQ(part.head, static_cast<int32_t>(h));
      EXPECT_EQ(part.index, i);
      EXPECT_EQ(part.first, entry);
      ASSERT_GT(part.last, part.first);
      EXPECT_TRUE(part.last == counts[h] || part.last % align == 0);
      entry = part.last;
      if (entry == counts[h]) {
        EXPECT_EQ(part.n_part, i + 1);
      }
    }
  }
  EXPECT_EQ(at, split.parts.size());
  const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  for (int32_t u = 0; u < n_unit; ++u) {
    int64_t n = 0;
    for (int32_t p = split.first_part[u]; p < split.first_part[u + 1]; ++p)
      n += split.parts[p].last - split.parts[p].first;
    EXPECT_LE(n, total / n_unit + 1 + align);
  }
}

TEST(DecodeSplit, SharesAllEntriesEvenly) {
  for (const std::vector<int64_t>& counts : std::vector<std::vector<int64_t>>{
           {1}, {1, 1, 1}, {300}, {16384, 16384}, {5, 1000, 3, 64, 65, 2}, {31, 33, 32, 4000}}) {
    for (const int32_t n_unit : {1, 2, 3, 7, 64})
      expect_split(counts, n_unit, 32);
  }
}

}  // namespace
}  // namespace restkv
