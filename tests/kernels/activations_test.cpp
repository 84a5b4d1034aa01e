// Rounded vectors, and the functions that end in them, against plain formulas in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/dispatch.h"
#include "tests/random.h"

namespace restkv::kernels {
namespace {

class ActivationKernels : public testing::TestWithParam<int> {
 protected:
  static const MatvecKernels& kernels() { return *supported_kernels()[GetParam()].matvec; }
};

std::vector<Activations> blocks_for(int64_t k) {
  Activations full;
  std::memset(&full, 0x55, sizeof(full));
  return std::vector<Activations>(static_cast<size_t>(n_activation_block(k)), full);
}

bool same(const std::vector<Activations>& a, const std::vector<Activations>& b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(Activations)) == 0;
}

// The integers of a block whatever their order.
std::vector<int8_t> sorted(const Activations& block) {
  std::vector<int8_t> q(block.q, block.q + 256);
  std::sort(q.begin(), q.end());
  return q;
}

double gelu(double x) {
  return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
}

void expect_close(float actual, double expected, double tolerance) {
  EXPECT_NEAR(actual, expected, tolerance * std::fabs(expected) + 1e-7) << expected;
}

TEST_P(ActivationKernels, RoundLikeThePlainLoop) {
  for (int64_t k = 32; k <= 800; k += 96) {
    std::vector<float> x = random_floats(k, static_cast<uint32_t>(k), 3.0f);
    std::fill_n(x.begin(), 16, 0.0f);
    std::vector<Activations> actual = blocks_for(k), expected = blocks_for(k);
    kernels().quantize(x.data(), k, actual.data());
    kMatvecRef.quantize(x.data(), k, expected.data());
    for (size_t b = 0; b < actual.size(); ++b) {
      EXPECT_EQ(sorted(actual[b]), sorted(expected[b]));
      for (int g = 0; g < 8; ++g) {
        EXPECT_FLOAT_EQ(actual[b].scale[g], expected[b].scale[g]);
        EXPECT_FLOAT_EQ(actual[b].sum[g], expected[b].sum[g]);
        EXPECT_EQ(actual[b].half_sum[2 * g], expected[b].half_sum[2 * g]);
        EXPECT_EQ(actual[b].half_sum[2 * g + 1], expected[b].half_sum[2 * g + 1]);
      }
    }
  }
}

TEST_P(ActivationKernels, RoundWhatIsZeroOrTiny) {
  std::vector<float> x(64, 0.0f);
  std::fill(x.begin() + 32, x.end(), 1e-42f);
  std::vector<Activations> block = blocks_for(64);
  kernels().quantize(x.data(), 64, block.data());
  for (int g = 0; g < 8; ++g) {
    EXPECT_EQ(block[0].scale[g], 0.0f);
    EXPECT_EQ(block[0].sum[g], 0.0f);
  }
  EXPECT_EQ(sorted(block[0]), std::vector<int8_t>(256, 0));
}

TEST_P(ActivationKernels, ElementwiseFormulas) {
  for (int64_t k : {1, 8, 31, 32, 100, 576}) {
    const std::vector<float> a = random_floats(k, 1, 4.0f), b = random_floats(k, 2);
    std::vector<float> norm(k), silu(k), gelu_out(k);
    kernels().rms_norm(a.data(), b.data(), 1e-5f, k, norm.data());
    kernels().silu_mul(a.data(), b.data(), k, silu.data());
    kernels().gelu_mul(a.data(), b.data(), k, gelu_out.data());
    double squares = 0.0;
    for (float v : a)
      squares += static_cast<double>(v) * v;
    const double scale = 1.0 / std::sqrt(squares / static_cast<double>(k) + 1e-5);
    for (int64_t i = 0; i < k; ++i) {
      expect_close(norm[i], a[i] * scale * b[i], 1e-6);
      expect_close(silu[i], a[i] / (1.0 + std::exp(-double{a[i]})) * b[i], 2e-6);
      expect_close(gelu_out[i], gelu(a[i]) * b[i], 4e-6);
    }
  }
}

TEST_P(ActivationKernels, ExtremeGates) {
  const std::vector<float> gate = {-1e30f, -200.0f, -88.0f, -0.0f, 0.0f, 88.0f, 200.0f, 1e30f};
  const std::vector<float> up(8, 1.0f);
  std::vector<float> out(8);
  for (auto* function : {kernels().silu_mul, kernels().gelu_mul}) {
    function(gate.data(), up.data(), 8, out.data());
    for (int i = 1; i < 5; ++i)
      EXPECT_NEAR(out[i], 0.0f, 1e-30f);
    for (int i = 5; i < 8; ++i)
      EXPECT_FLOAT_EQ(out[i], gate[i]);
  }
}

// The rounding of what the float functions give, bit by bit.
TEST_P(ActivationKernels, FusedFunctionsRoundTheSameFloats) {
  for (int64_t k : {32, 256, 576, 896}) {
    const std::vector<float> a = random_floats(k, 1), b = random_floats(k, 2);
    std::vector<float> floats(k);
    std::vector<Activations> fused = blocks_for(k), apart = blocks_for(k);

    kernels().rms_norm(a.data(), b.data(), 1e-6f, k, floats.data());
    kernels().quantize(floats.data(), k, apart.data());
    kernels().rms_norm_quantize(a.data(), b.data(), 1e-6f, k, fused.data());
    EXPECT_TRUE(same(fused, apart));

    kernels().silu_mul(a.data(), b.data(), k, floats.data());
    kernels().quantize(floats.data(), k, apart.data());
    kernels().silu_mul_quantize(a.data(), b.data(), k, fused.data());
    EXPECT_TRUE(same(fused, apart));

    kernels().gelu_mul(a.data(), b.data(), k, floats.data());
    kernels().quantize(floats.data(), k, apart.data());
    kernels().gelu_mul_quantize(a.data(), b.data(), k, fused.data());
    EXPECT_TRUE(same(fused, apart));
  }
}

TEST_P(ActivationKernels, SlicesAreThoseOfTheWhole) {
  const std::vector<float> gate = random_floats(896, 1), up = random_floats(896, 2);
  std::vector<Activations> whole = blocks_for(896), parts = blocks_for(896);
  kernels().silu_mul_quantize(gate.data(), up.data(), 896, whole.data());
  kernels().silu_mul_quantize(gate.data() + 512, up.data() + 512, 384, parts.data() + 2);
  kernels().silu_mul_quantize(gate.data(), up.data(), 512, parts.data());
  EXPECT_TRUE(same(whole, parts));
}

INSTANTIATE_TEST_SUITE_P(, ActivationKernels,
                         testing::Range(0, static_cast<int>(supported_kernels().size())),
                         [](const auto& info) {
                           return std::string(supported_kernels()[info.param].name);
                         });

}  // namespace
}  // namespace restkv::kernels
