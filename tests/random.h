// Reproducible random test data.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "core/half.h"

namespace restkv {

inline std::vector<float> random_floats(int64_t count, uint32_t seed, float scale = 1.0f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values)
    value = normal(generator);
  return values;
}

inline std::vector<uint16_t> to_halves(const std::vector<float>& values) {
  std::vector<uint16_t> halves;
  halves.reserve(values.size());
  for (float value : values)
    halves.push_back(float_to_half(value));
  return halves;
}

// The values that binary16 can hold nearest to `values`.
inline std::vector<float> rounded_to_half(const std::vector<float>& values) {
  std::vector<float> rounded;
  rounded.reserve(values.size());
  for (float value : values)
    rounded.push_back(half_to_float(float_to_half(value)));
  return rounded;
}

}  // namespace restkv
