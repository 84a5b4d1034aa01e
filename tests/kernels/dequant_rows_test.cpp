// Dequantisation against ggml's, bit by bit, and every variant against the plain loops.
#include "kernels/dequant_rows.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "kernels/dispatch.h"
#include "tests/kernels/weight_data.h"

namespace restkv::kernels {
namespace {

// The oracle's own rounding: of the two neighbours the nearer, of equally near ones the even.
uint16_t nearest_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t below = static_cast<uint16_t>(bits >> 16);
  const uint32_t rest = bits & 0xffffu;
  const bool up = rest > 0x8000u || (rest == 0x8000u && (below & 1u) != 0);
  return static_cast<uint16_t>(below + (up ? 1 : 0));
}

bool is_nan(uint16_t bf16) {
  return (bf16 & 0x7fffu) > 0x7f80u;
}

class Dequant : public testing::TestWithParam<int> {
 protected:
  static const DequantKernels& kernels() { return *supported_kernels()[GetParam()].dequant; }

  // Rows first .. of the weights, with a guard behind what is written.
  static void expect_like_ggml(TestWeights& weights, int64_t first) {
    const WeightRows rows{weights.bytes.data(), weights.type, weights.row_bytes, weights.k};
    const int64_t n_row = weights.n_row - first;
    const auto count = static_cast<size_t>(n_row * weights.k);
    std::vector<float> floats(count + 1, 42.0f);
    std::vector<uint16_t> rounded(count + 1, 42);
    kernels().to_float(rows, first, n_row, floats.data());
    kernels().to_bf16(rows, first, n_row, rounded.data());
    EXPECT_EQ(floats[count], 42.0f);
    EXPECT_EQ(rounded[count], 42);
    const std::vector<float> expected = weights.to_floats();
    for (size_t i = 0; i < count; ++i) {
      const float value = expected[static_cast<size_t>(first * weights.k) + i];
      if (std::isnan(value)) {
        ASSERT_TRUE(std::isnan(floats[i]) && is_nan(rounded[i])) << i;
        continue;
      }
      ASSERT_EQ(std::bit_cast<uint32_t>(floats[i]), std::bit_cast<uint32_t>(value)) << i;
      if (value != 0.0f && std::fabs(value) < std::numeric_limits<float>::min()) continue;
      ASSERT_EQ(rounded[i], nearest_bf16(value)) << i << ": " << value;
    }
  }
};

TEST_P(Dequant, QuantisedRows) {
  for (WeightType type : kAllTypes) {
    SCOPED_TRACE(ggml_type_name(ggml_type_of(type)));
    const int64_t block = weight_block_size(type);
    for (int64_t n_block : {1, 2, 3, 7, 16, 33}) {
      TestWeights weights(type, 3, n_block * block, 6);
      weights.quantize(random_floats(3 * weights.k, 7, 0.1f));
      expect_like_ggml(weights, n_block % 2);
    }
  }
}

TEST_P(Dequant, OddBlocks) {
  for (WeightType type : kAllTypes) {
    SCOPED_TRACE(ggml_type_name(ggml_type_of(type)));
    for (uint32_t seed = 0; seed < 20; ++seed) {
      TestWeights weights(type, 2, 7 * weight_block_size(type));
      weights.fill_odd_blocks(seed);
      expect_like_ggml(weights, 0);
    }
  }
}

TEST_P(Dequant, ConvertsFloats) {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> in = random_floats(77, 3);
  // Ties in both directions, just beside a tie, overflow, and what is not a number.
  const float special[] = {std::bit_cast<float>(0x3f808000u),
                           std::bit_cast<float>(0x3f818000u),
                           std::bit_cast<float>(0x3f808001u),
                           std::bit_cast<float>(0xbf807fffu),
                           std::numeric_limits<float>::max(),
                           inf,
                           -inf,
                           0.0f,
                           -0.0f,
                           std::nanf("")};
  in.insert(in.end(), std::begin(special), std::end(special));
  for (size_t n = 0; n <= in.size(); ++n) {
    std::vector<uint16_t> out(n + 1, 42);
    std::vector<float> back(n + 1, 42.0f);
    kernels().floats_to_bf16(in.data() + in.size() - n, static_cast<int64_t>(n), out.data());
    kernels().bf16_to_floats(out.data(), static_cast<int64_t>(n), back.data());
    EXPECT_EQ(out[n], 42);
    EXPECT_EQ(back[n], 42.0f);
    for (size_t i = 0; i < n; ++i) {
      const float value = in[in.size() - n + i];
      if (std::isnan(value)) {
        ASSERT_TRUE(is_nan(out[i]) && std::isnan(back[i]));
        continue;
      }
      ASSERT_EQ(out[i], nearest_bf16(value)) << value;
      ASSERT_EQ(std::bit_cast<uint32_t>(back[i]), static_cast<uint32_t>(out[i]) << 16);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, Dequant, testing::Range(0, static_cast<int>(supported_kernels().size())),
                         [](const auto& info) {
                           return std::string(supported_kernels()[info.param].name);
                         });

TEST(WeightTypes, AreThoseOfTheFile) {
  for (int32_t type = 0; type < GGML_TYPE_COUNT; ++type) {
    if (!is_weight_type(type)) continue;
    const auto file_type = static_cast<ggml_type>(type);
    const auto ours = static_cast<WeightType>(type);
    EXPECT_EQ(weight_block_size(ours), ggml_blck_size(file_type));
    EXPECT_EQ(weight_row_bytes(ours, 1024), static_cast<int64_t>(ggml_row_size(file_type, 1024)));
  }
  EXPECT_FALSE(is_weight_type(GGML_TYPE_Q2_K));
  EXPECT_FALSE(is_weight_type(-1));
}

}  // namespace
}  // namespace restkv::kernels
