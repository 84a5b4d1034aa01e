// Column sums by the tile kernel, of logged queries and while a prompt is read, against the exact
// function of the policy library.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/half.h"
#include "engine/prefill.h"
#include "engine/tile_attention.h"
#include "engine/tile_column_sums.h"
#include "restkv/policy.h"
#include "tests/engine/sequences.h"

namespace restkv {
namespace {

constexpr int64_t kHeadDim = 32;

std::vector<float> normal_rows(int64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.1f, 1.0f);
  std::vector<float> rows(n);
  for (float& x : rows)
    x = normal(random);
  return rows;
}

struct Case {
  int64_t n_query, n_entry, n_group, n_masked;
};

std::vector<float> exact_sums(const std::vector<float>& queries, const RowsView& keys,
                              const Case& c) {
  const auto sums = column_sums({.attention_scale = 0.2f,
                                 .queries = {queries.data(), {c.n_group, c.n_query, kHeadDim}},
                                 .keys = keys,
                                 .n_masked = c.n_masked});
  EXPECT_TRUE(sums.ok());
  return *sums;
}

void expect_near(std::span<const float> actual, std::span<const float> expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    ASSERT_NEAR(actual[i], expected[i], 1e-2 * (expected[i] + 0.02)) << i;
}

TEST(TileColumnSums, AreTheExactOnes) {
  if (!TileAttention::available()) GTEST_SKIP() << "no vector kernels";
  for (const Case& c : {Case{64, 64, 1, 64},
                        {300, 300, 2, 300},
                        {70, 401, 3, 70},
                        {300, 300, 2, 8},
                        {130, 500, 1, 0}}) {
    const auto queries = normal_rows(c.n_group * c.n_query * kHeadDim, 1);
    const auto keys = normal_rows(c.n_entry * kHeadDim, 2);
    const RowsView rows{keys.data(), ElementType::f32, c.n_entry, kHeadDim, kHeadDim};
    std::vector<float> sums(c.n_group * c.n_entry);
    Alone alone;
    sum_columns({.attention_scale = 0.2f,
                 .queries = {queries.data(), c.n_query, kHeadDim, c.n_query * kHeadDim},
                 .n_query = c.n_query,
                 .n_group = c.n_group,
                 .keys = rows,
                 .n_masked = c.n_masked,
                 .sums = sums.data()},
                alone);
    expect_near(sums, exact_sums(queries, rows, c));
  }
}

// A prompt in two chunks; `sparse`: attention looks at the first block of keys alone, which the
// sums take no notice of.
std::vector<float> sums_while_attending(const std::vector<float>& queries, const RowsView& keys,
                                        const Case& c, int64_t n_first, bool sparse) {
  auto compute = test::make_compute(nullptr, 2);
  TileAttention attention;
  EXPECT_TRUE(attention.allocate(c.n_entry, kHeadDim, 2, std::make_shared<KvMeter>()).ok());
  std::vector<double> sums(c.n_group * c.n_entry, 0.0);
  for (const auto& [first, n] : {std::pair{int64_t{0}, n_first}, {n_first, c.n_query - n_first}}) {
    std::vector<float> out(n * c.n_group * kHeadDim);
    const int64_t n_unit = c.n_group * kernels::n_query_blocks(n);
    std::vector<int32_t> offsets(n_unit + 1), blocks(n_unit, 0);
    for (int64_t i = 0; i <= n_unit; ++i)
      offsets[i] = static_cast<int32_t>(i);
    TileAttention::StoreHead head{.keys = keys, .values = keys, .scale = 0.2f};
    head.keys.n_row = head.values.n_row = first + n;
    if (sparse) head.selection = {offsets.data(), blocks.data()};
    head.column_sums = sums.data();
    head.column_stride = c.n_entry;
    const Status status = compute->run(64, [&](const GraphBuild& b) {
      // The kernel takes queries [n][n_group][head_dim] with any strides.
      ggml_tensor* q =
          b.wrap_strided(GGML_TYPE_F32, queries.data() + first * kHeadDim, kHeadDim, c.n_group, n,
                         c.n_query * kHeadDim * sizeof(float), kHeadDim * sizeof(float));
      attention.attend(b, head, q, b.wrap(GGML_TYPE_F32, out.data(), c.n_group * kHeadDim, n));
    });
    EXPECT_TRUE(status.ok());
  }
  EXPECT_GT(attention.column_ms(), 0.0);
  return {sums.begin(), sums.end()};
}

TEST(TileColumnSums, AddUpWhileChunksAttend) {
  if (!TileAttention::available()) GTEST_SKIP() << "no vector kernels";
  const Case c{400, 400, 3, 400};
  const auto queries = normal_rows(c.n_group * c.n_query * kHeadDim, 3);
  const auto keys = normal_rows(c.n_entry * kHeadDim, 4);
  const RowsView rows{keys.data(), ElementType::f32, c.n_entry, kHeadDim, kHeadDim};
  const auto expected = exact_sums(queries, rows, c);
  for (const bool sparse : {false, true})
    expect_near(sums_while_attending(queries, rows, c, 256, sparse), expected);
}

std::vector<std::vector<int32_t>> kept(const std::string& policy, Kernels kernels,
                                       const Schedule& schedule, int64_t n_decode) {
  auto compute = test::make_compute(nullptr, 2, kernels);
  CacheConfig config = test::cache_config(policy, 96);
  config.schedule = schedule;
  Sequence sequence = test::make_sequence(config);
  const auto tokens = test::random_tokens(500 + n_decode, 7);
  const auto model = test::one_layer_model();
  EXPECT_TRUE(extend(*model, *compute, {.tokens = test::slice(tokens, 0, 300)}, &sequence).ok());
  EXPECT_TRUE(extend(*model, *compute, {.tokens = test::slice(tokens, 300, 200)}, &sequence).ok());
  std::vector<float> logits;
  for (int64_t i = 0; i < n_decode; ++i) {
    const DecodeSlot slot{&sequence, tokens[500 + i]};
    EXPECT_TRUE(decode(*model, *compute, {&slot, 1}, &logits).ok());
  }
  std::vector<std::vector<int32_t>> positions;
  for (const LayerCache& layer : sequence.cache.layers) {
    for (int32_t h = 0; h < layer.n_head(); ++h)
      positions.emplace_back(layer.positions(h).begin(), layer.positions(h).end());
  }
  return positions;
}

// Rounding may swap entries whose sums are all but equal, no more.
TEST(TileColumnSums, ChooseWhatTheExactOnesChoose) {
  using Kind = Schedule::Kind;
  for (const char* policy : {"h2o", "h2o-noncausal"}) {
    for (const Schedule& schedule :
         {Schedule{Kind::prompt}, {Kind::turn}, {Kind::chunk, 128}, {Kind::decode, 80}}) {
      const int64_t n_decode = schedule.kind == Kind::decode ? 80 : 0;
      const auto actual = kept(policy, Kernels::automatic, schedule, n_decode);
      const auto expected = kept(policy, Kernels::ggml, schedule, n_decode);
      ASSERT_EQ(actual.size(), expected.size());
      for (size_t h = 0; h < actual.size(); ++h) {
        ASSERT_EQ(actual[h].size(), expected[h].size());
        std::vector<int32_t> both;
        std::ranges::set_intersection(actual[h], expected[h], std::back_inserter(both));
        EXPECT_GE(both.size(), expected[h].size() * 9 / 10)
            << policy << " " << static_cast<int>(schedule.kind) << " head " << h;
      }
    }
  }
}

}  // namespace
}  // namespace restkv
