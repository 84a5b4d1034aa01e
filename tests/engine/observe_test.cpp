// Rotations outside a graph against ggml's own, and what is summed up of queries against plain
// matrices.
#include "engine/observe.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/prefill.h"
#include "tests/engine/sequences.h"

namespace restkv {
namespace {

using test::make_compute;
using test::random_tokens;
using test::relative_error;
using Matrix = std::vector<double>;  // [d][d]

std::vector<float> random_rows(int64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.3f, 1.0f);
  std::vector<float> rows(n);
  for (float& x : rows)
    x = normal(random);
  return rows;
}

std::vector<std::shared_ptr<const Model>> models() {
  return {test::tiny_model(), test::wide_model(), test::qwen_model(), test::gemma_model()};
}

// Rows [n][head_dim] at positions first .., turned by ggml.
std::vector<float> turned_by_ggml(const Model& model, const std::vector<float>& rows,
                                  int64_t first) {
  auto compute = make_compute();
  const int64_t d = model.hparams().head_dim, n = static_cast<int64_t>(rows.size()) / d;
  std::vector<int32_t> positions(n);
  for (int64_t i = 0; i < n; ++i)
    positions[i] = static_cast<int32_t>(first + i);
  std::vector<float> out(rows.size());
  const Status status = compute->run(16, [&](const GraphBuild& b) {
    const GraphContext g{b.ctx, model.hparams()};
    ggml_tensor* x = b.wrap(GGML_TYPE_F32, rows.data(), d, 1, n);
    ggml_tensor* turned = model.rope().apply(g, x, b.wrap(GGML_TYPE_I32, positions.data(), n));
    b.expand(ggml_cpy(b.ctx, turned, b.wrap(GGML_TYPE_F32, out.data(), d, 1, n)));
  });
  EXPECT_TRUE(status.ok());
  return out;
}

TEST(RopeTable, TurnsAsGgmlDoes) {
  for (const auto& model : models()) {
    SCOPED_TRACE(testing::Message() << model->hparams().arch << model->hparams().head_dim);
    const int64_t d = model->hparams().head_dim;
    auto compute = make_compute();
    for (const int64_t first : {0, 3000}) {
      const auto table = RopeTable::range(*model, *compute, first, 100);
      ASSERT_TRUE(table.ok());
      ASSERT_EQ(table.value().size(), 100);
      std::vector<float> rows = random_rows(100 * d, 1);
      const std::vector<float> expected = turned_by_ggml(*model, rows, first);
      EXPECT_GT(relative_error(rows, expected), 0.1);
      for (int64_t i = 0; i < 100; ++i)
        table.value().rotate(i, rows.data() + i * d);
      EXPECT_LT(relative_error(rows, expected), 1e-6);
    }
  }
}

TEST(RopeTable, GrowsWithoutChanging) {
  const auto model = test::gemma_model();
  const int64_t d = model->hparams().head_dim;
  auto compute = make_compute();
  RopeTable grown;
  EXPECT_EQ(grown.size(), 0);
  for (const int64_t n : {1, 10, 300, 299, 2000}) {
    ASSERT_TRUE(grown.grow(*model, *compute, n).ok());
    ASSERT_GE(grown.size(), n);
  }
  const auto whole = RopeTable::range(*model, *compute, 0, 2000);
  for (const int64_t i : {0, 1, 256, 257, 299, 300, 1999}) {
    std::vector<float> a = random_rows(d, 2), b = a;
    grown.rotate(i, a.data());
    whole.value().rotate(i, b.data());
    EXPECT_EQ(a, b) << i;
  }
}

// The mean over positions next .. next + 511 of the rotation, as a matrix; column j is where
// dimension j goes.
Matrix mean_rotation(const Model& model, int64_t next) {
  const int64_t d = model.hparams().head_dim, n = 512;
  Matrix mean(d * d, 0.0);
  for (int64_t j = 0; j < d; ++j) {
    std::vector<float> units(n * d, 0.0f);
    for (int64_t i = 0; i < n; ++i)
      units[i * d + j] = 1.0f;
    const std::vector<float> turned = turned_by_ggml(model, units, next);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t r = 0; r < d; ++r)
        mean[r * d + j] += turned[i * d + r] / static_cast<double>(n);
    }
  }
  return mean;
}

Matrix times(const Matrix& a, const Matrix& b, int64_t d, bool transposed) {
  Matrix c(d * d, 0.0);
  for (int64_t i = 0; i < d; ++i) {
    for (int64_t j = 0; j < d; ++j) {
      for (int64_t k = 0; k < d; ++k)
        c[i * d + j] += a[i * d + k] * (transposed ? b[j * d + k] : b[k * d + j]);
    }
  }
  return c;
}

// A log of n raw queries for every head, numbered from `seed` on.
QueryLog filled_log(const HParams& hp, int64_t n, uint32_t seed) {
  QueryLog log(hp.n_head, hp.head_dim, 0, true);
  log.make_room(n);
  for (int64_t h = 0; h < hp.n_head; ++h) {
    const auto rows = random_rows(n * hp.head_dim, seed + static_cast<uint32_t>(h));
    std::copy(rows.begin(), rows.end(), log.slot(0) + h * log.head_stride());
  }
  log.commit(n);
  return log;
}

TEST(QueryMoments, LeaveTheFirstFourTokensOut) {
  const HParams& hp = test::tiny_model()->hparams();
  const int64_t d = hp.head_dim;
  QueryMoments moments;
  Alone alone;
  QueryLog log = filled_log(hp, 3, 1);
  fold_moments(log, 3, 0.5f, hp, alone, &moments);
  EXPECT_EQ(moments.n, 0);
  log = filled_log(hp, 10, 1);
  fold_moments(log, 13, 0.5f, hp, alone, &moments);
  EXPECT_EQ(moments.n, 9);
  const QueryRows rows = log.rows();
  for (int64_t h = 0; h < hp.n_head; ++h) {
    double sum = 0, outer = 0;
    for (int64_t t = 1; t < 10; ++t) {
      sum += 0.5 * rows.row(h, t)[2];
      outer += 0.25 * rows.row(h, t)[2] * rows.row(h, t)[5];
    }
    EXPECT_NEAR(moments.sum[h * d + 2], sum, 1e-9);
    EXPECT_NEAR(moments.outer[(h * d + 2) * d + 5], outer, 1e-9);
    EXPECT_NEAR(moments.outer[(h * d + 5) * d + 2], outer, 1e-9);
  }
}

TEST(QueryMoments, AreTurnedByTheMeanRotation) {
  for (const auto& model : models()) {
    const HParams& hp = model->hparams();
    SCOPED_TRACE(testing::Message() << hp.arch << hp.head_dim);
    const int64_t d = hp.head_dim, n = 50, next = 777;
    const QueryLog log = filled_log(hp, n + 4, 9);
    QueryMoments moments;
    Alone alone;
    fold_moments(log, n + 4, 1.0f, hp, alone, &moments);
    auto compute = make_compute();
    MeanRotation rotation_of_next;
    const auto turned = rotate_moments(*model, *compute, moments, {&next, 1}, &rotation_of_next);
    ASSERT_TRUE(turned.ok());
    const Matrix rotation = mean_rotation(*model, next);
    const int64_t h = hp.n_head - 1;
    std::vector<float> mean(d, 0.0f), covariance(d * d);
    Matrix plain(d * d, 0.0), centre(d, 0.0);
    for (int64_t t = 4; t < n + 4; ++t) {
      for (int64_t i = 0; i < d; ++i)
        centre[i] += log.rows().row(h, t)[i] / static_cast<double>(n);
    }
    for (int64_t t = 4; t < n + 4; ++t) {
      const float* q = log.rows().row(h, t);
      for (int64_t i = 0; i < d * d; ++i)
        plain[i] += (q[i / d] - centre[i / d]) * (q[i % d] - centre[i % d]) / n;
    }
    for (int64_t i = 0; i < d * d; ++i)
      mean[i / d] += static_cast<float>(rotation[i] * centre[i % d]);
    const Matrix product = times(times(rotation, plain, d, false), rotation, d, true);
    covariance.assign(product.begin(), product.end());
    EXPECT_LT(relative_error({turned.value().mean.data() + h * d, size_t(d)}, mean), 1e-5);
    EXPECT_LT(
        relative_error({turned.value().covariance.data() + h * d * d, size_t(d * d)}, covariance),
        1e-5);
  }
}

CacheConfig expected_attention(Schedule schedule) {
  CacheConfig config = test::cache_config("expected-attention", 40);
  config.schedule = schedule;
  return config;
}

// Every query counts once, whether its token was read or decoded, cut or not.
TEST(QueryMoments, CountEveryQueryOnce) {
  const auto tokens = random_tokens(75, 3);
  for (const Schedule schedule : {Schedule{Schedule::Kind::turn}, {Schedule::Kind::decode, 4}}) {
    for (const auto positions : {KeyPositions::original, KeyPositions::cache}) {
      auto compute = make_compute();
      CacheConfig config = expected_attention(schedule);
      config.positions = positions;
      Sequence sequence = test::make_sequence(config);
      std::vector<float> logits;
      const auto read = [&](int64_t first, int64_t n) {
        const auto part = test::slice(tokens, first, n);
        ASSERT_TRUE(extend(*test::tiny_model(), *compute, {.tokens = part}, &sequence).ok());
      };
      const auto decode_from = [&](int64_t first, int64_t n) {
        for (int64_t i = first; i < first + n; ++i) {
          const DecodeSlot slot{&sequence, tokens[i]};
          ASSERT_TRUE(decode(*test::tiny_model(), *compute, {&slot, 1}, &logits).ok());
        }
      };
      read(0, 20);
      decode_from(20, 8);   // below the budget
      decode_from(28, 20);  // above it
      read(48, 20);
      decode_from(68, 4);
      read(72, 3);
      for (const LayerMemory& memory : sequence.memory)
        EXPECT_EQ(memory.moments.n, 75 - 4);
    }
  }
}

}  // namespace
}  // namespace restkv
