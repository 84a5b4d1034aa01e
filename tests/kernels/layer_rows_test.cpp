// The rows between matrix products against their plain loops.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/dispatch.h"
#include "tests/random.h"

namespace restkv::kernels {
namespace {

constexpr int64_t kWidths[] = {1, 7, 16, 64, 100, 576, 577, 1536};

float value_of(uint16_t half) {
  const uint32_t bits = uint32_t{half} << 16;
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

std::vector<uint16_t> to_bf16(const std::vector<float>& floats) {
  std::vector<uint16_t> halves(floats.size());
  kDequantRef.floats_to_bf16(floats.data(), std::ssize(floats), halves.data());
  return halves;
}

class LayerRowKernelsTest : public testing::TestWithParam<int> {
 protected:
  const LayerRowKernels& fast() const { return *supported_kernels()[GetParam()].layer_rows; }

  std::vector<float> numbers(int64_t n, float scale = 1.0f) {
    return random_floats(n, ++seed_, scale);
  }

  // Equal but for the last bit of a bf16: sums and exponentials are rounded in another order.
  static void expect_near(const std::vector<uint16_t>& a, const std::vector<uint16_t>& b) {
    for (size_t i = 0; i < a.size(); ++i) {
      const float x = value_of(a[i]), y = value_of(b[i]);
      ASSERT_NEAR(x, y, 0x1p-7f * std::abs(y) + 1e-30f) << i;
    }
  }

  uint32_t seed_ = 0;
};

TEST_P(LayerRowKernelsTest, RmsNorm) {
  for (const int64_t n : kWidths) {
    const std::vector<float> x = numbers(n, 30.0f), weight = numbers(n);
    std::vector<uint16_t> halves(n), a(n), b(n);
    kDequantRef.floats_to_bf16(x.data(), n, halves.data());
    for (const Row row : {Row{.f32 = x.data()}, Row{.bf16 = halves.data()}}) {
      fast().rms_norm(row, weight.data(), 1e-5f, n, a.data());
      kLayerRowsRef.rms_norm(row, weight.data(), 1e-5f, n, b.data());
      expect_near(a, b);
    }
  }
}

TEST_P(LayerRowKernelsTest, Gate) {
  for (const int64_t n : kWidths) {
    const std::vector<float> g = numbers(n, 8.0f), u = numbers(n), bias = numbers(n);
    std::vector<uint16_t> a(n), b(n);
    for (const Activation activation : {Activation::silu, Activation::gelu}) {
      for (const float* either : {static_cast<const float*>(nullptr), bias.data()}) {
        fast().gate(g.data(), either, u.data(), either, activation, n, a.data());
        kLayerRowsRef.gate(g.data(), either, u.data(), either, activation, n, b.data());
        expect_near(a, b);
      }
    }
  }
}

TEST_P(LayerRowKernelsTest, GateOfExtremes) {
  const std::vector<float> g = {-1e30f, -200, -88, -0.0f, 0, 88, 200, 1e30f}, u(g.size(), 1.0f);
  std::vector<uint16_t> a(g.size()), b(g.size());
  fast().gate(g.data(), nullptr, u.data(), nullptr, Activation::silu, 8, a.data());
  for (size_t i = 0; i < g.size(); ++i) {
    const float expected = g[i] <= -88 ? 0.0f : g[i] / (1.0f + std::exp(-g[i]));
    ASSERT_NEAR(value_of(a[i]), expected, 0x1p-8f * std::abs(expected) + 1e-6f) << g[i];
  }
}

TEST_P(LayerRowKernelsTest, Add) {
  for (const int64_t n : kWidths) {
    const std::vector<float> x = numbers(n), bias = numbers(n), residual = numbers(n);
    std::vector<uint16_t> halves(n);
    kDequantRef.floats_to_bf16(residual.data(), n, halves.data());
    std::vector<float> a(n), b(n);
    for (const Row row : {Row{}, Row{.f32 = residual.data()}, Row{.bf16 = halves.data()}}) {
      fast().add(x.data(), bias.data(), row, n, a.data());
      kLayerRowsRef.add(x.data(), bias.data(), row, n, b.data());
      ASSERT_EQ(a, b);
    }
  }
}

TEST_P(LayerRowKernelsTest, PairPanels) {
  const auto pack = supported_kernels()[GetParam()].pair_panel->pack;
  for (const int64_t n : {1, 16, 63, 64, 128, 130}) {
    for (const int64_t k : {2, 31, 32, 64, 96, 100, 576}) {
      std::vector<uint16_t> rows(n * k);
      struct alignas(64) Line {
        uint16_t words[32];
        bool operator==(const Line&) const = default;
      };
      std::vector<Line> a(pair_panel_size(n, k) / 32), b(a.size());
      for (size_t i = 0; i < rows.size(); ++i)
        rows[i] = static_cast<uint16_t>(i * 2654435761u >> 7);
      pack(rows.data(), n, k, a.data()->words);
      kPairPanelRef.pack(rows.data(), n, k, b.data()->words);
      ASSERT_TRUE(a == b) << n << " x " << k;
    }
  }
}

// Every remainder of tiles and of depth; depths whose rows are copied because they would push one
// another out of the cache.
TEST_P(LayerRowKernelsTest, PanelProducts) {
  const auto multiply = supported_kernels()[GetParam()].panel_product->multiply;
  struct alignas(64) Line {
    uint16_t words[32];
  };
  for (const int64_t k : {32, 96, 512, 544, 896, 1024, 2080}) {
    for (const int64_t n : {16, 32, 48, 64, 80, 176}) {
      const auto rows = to_bf16(random_floats(n * k, 1)), a = to_bf16(random_floats(80 * k, 2));
      std::vector<Line> panel(pair_panel_size(n, k) / 32);
      kPairPanelRef.pack(rows.data(), n, k, panel.data()->words);
      std::vector<float> expected(80 * n), first(16 * n);
      kPanelProductRef.multiply(a.data(), 80, panel.data()->words, n, k, expected.data());
      multiply(a.data(), 16, panel.data()->words, n, k, first.data());
      for (const int64_t m : {16, 32, 48, 80}) {
        std::vector<float> got(m * n, NAN);
        multiply(a.data(), m, panel.data()->words, n, k, got.data());
        for (int64_t i = 0; i < m * n; ++i)
          ASSERT_NEAR(got[i], expected[i], 1e-6 * static_cast<double>(k))
              << m << " " << n << " " << k;
        // A row's sums do not depend on the others.
        for (int64_t i = 0; i < 16 * n; ++i)
          ASSERT_EQ(got[i], first[i]);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Supported, LayerRowKernelsTest,
                         testing::Range(0, static_cast<int>(supported_kernels().size())),
                         [](const testing::TestParamInfo<int>& info) {
                           return std::string(supported_kernels()[info.param].name);
                         });

}  // namespace
}  // namespace restkv::kernels
