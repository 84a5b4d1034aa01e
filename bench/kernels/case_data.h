// Data and shapes that the kernels' cases share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/half.h"
#include "core/random.h"
#include "restkv/tensor_view.h"

namespace restkv::bench {

// The attention of one KV head in a known model.
struct HeadShape {
  const char* model;
  int64_t head_dim, n_group, n_embd;
};
constexpr HeadShape kHeadShapes[] = {
    {"smollm2-135m", 64, 3, 576}, {"mistral-7b", 128, 4, 4096}, {"gemma-7b", 256, 1, 3072}};

// In [-scale, scale).
inline std::vector<float> case_floats(int64_t n, uint64_t seed, float scale = 1.0f) {
  SplitMix64 random(seed);
  std::vector<float> values(n);
  for (float& value : values)
    value = scale * (2 * random.uniform() - 1);
  return values;
}

inline std::vector<uint16_t> case_halves(int64_t n, uint64_t seed, float scale = 1.0f) {
  SplitMix64 random(seed);
  std::vector<uint16_t> values(n);
  for (uint16_t& value : values)
    value = float_to_half(scale * (2 * random.uniform() - 1));
  return values;
}

struct alignas(64) CacheLine {
  std::byte bytes[64];
};
inline std::vector<CacheLine> cache_lines(size_t n_byte) {
  return std::vector<CacheLine>((n_byte + sizeof(CacheLine) - 1) / sizeof(CacheLine));
}

// The values; what is left behind is zero, so that no variant passes with another's result.
inline std::vector<float> take(std::vector<float>& values) {
  std::vector<float> taken = values;
  std::fill(values.begin(), values.end(), 0.0f);
  return taken;
}

inline RowsView half_rows(const std::vector<uint16_t>& values, int64_t n_col) {
  const auto n_row = static_cast<int64_t>(values.size()) / n_col;
  return {values.data(), ElementType::f16, n_row, n_col, n_col};
}

}  // namespace restkv::bench
