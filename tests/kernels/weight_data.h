// Weight rows of every type for tests: quantised by ggml, or random blocks with odd scales.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "ggml.h"
#include "kernels/quant_types.h"
#include "tests/random.h"

namespace restkv::kernels {

inline const WeightType kAllTypes[] = {WeightType::f32,  WeightType::f16,  WeightType::bf16,
                                       WeightType::q4_0, WeightType::q4_1, WeightType::q5_0,
                                       WeightType::q5_1, WeightType::q8_0, WeightType::q4_k,
                                       WeightType::q5_k, WeightType::q6_k};

inline ggml_type ggml_type_of(WeightType type) {
  return static_cast<ggml_type>(type);
}

struct TestWeights {
  WeightType type;
  int64_t n_row, k, row_bytes;
  std::vector<uint8_t> bytes;

  // Rows lie `gap` bytes apart from each other, or as many more as floats need.
  TestWeights(WeightType type, int64_t n_row, int64_t k, int64_t gap = 0)
      : type(type),
        n_row(n_row),
        k(k),
        row_bytes(weight_row_bytes(type, k) + (type == WeightType::f32 ? (gap + 3) / 4 * 4 : gap)),
        bytes(static_cast<size_t>((n_row - 1) * row_bytes + weight_row_bytes(type, k))) {}

  uint8_t* row(int64_t r) { return bytes.data() + r * row_bytes; }

  void quantize(const std::vector<float>& values) {
    for (int64_t r = 0; r < n_row; ++r)
      ggml_quantize_chunk(ggml_type_of(type), values.data() + r * k, row(r), 0, 1, k, nullptr);
  }

  // ggml's own floats, [n_row][k].
  std::vector<float> to_floats() {
    std::vector<float> out(static_cast<size_t>(n_row * k));
    for (int64_t r = 0; r < n_row; ++r) {
      if (type == WeightType::f32) {
        std::memcpy(out.data() + r * k, row(r), static_cast<size_t>(k) * sizeof(float));
      } else {
        ggml_get_type_traits(ggml_type_of(type))->to_float(row(r), out.data() + r * k, k);
      }
    }
    return out;
  }

  // Random integers, and scales that are negative, zero, subnormal or the largest there are.
  void fill_odd_blocks(uint32_t seed) {
    std::mt19937 generator(seed);
    for (uint8_t& byte : bytes)
      byte = static_cast<uint8_t>(generator());
    const int64_t block = weight_block_size(type);
    const int64_t block_bytes = weight_row_bytes(type, block);
    for (int64_t r = 0; r < n_row && block > 1; ++r) {
      for (int64_t b = 0; b < k / block; ++b)
        set_scales(row(r) + b * block_bytes, generator);
    }
  }

 private:
  void set_scales(uint8_t* block, std::mt19937& generator) const {
    const uint16_t scales[] = {0x0000, 0x8000, 0x0001, 0x83ff, 0x0400, 0xbc00,
                               0x2e66, 0x7bff, 0xfbff, 0x1234, 0xa111};
    const auto pick = [&] { return scales[generator() % std::size(scales)]; };
    const bool has_offset = type == WeightType::q4_1 || type == WeightType::q5_1 ||
                            type == WeightType::q4_k || type == WeightType::q5_k;
    const uint16_t d = pick();
    const uint16_t m = pick();
    std::memcpy(block + (type == WeightType::q6_k ? offsetof(BlockQ6K, d) : 0), &d, sizeof(d));
    if (has_offset) std::memcpy(block + 2, &m, sizeof(m));
  }
};

}  // namespace restkv::kernels
