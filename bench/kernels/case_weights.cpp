#include "bench/kernels/case_weights.h"

#include <cstddef>
#include <cstring>

#include "core/half.h"
#include "core/random.h"

namespace restkv::bench {
namespace {

using kernels::WeightType;

bool has_offset(WeightType type) {
  return type == WeightType::q4_1 || type == WeightType::q5_1 || type == WeightType::q4_k ||
         type == WeightType::q5_k;
}

// Types of 256 values have integer scales beside this one.
float scale_of(WeightType type) {
  return kernels::weight_block_size(type) == 256 ? 2e-4f : 5e-3f;
}

void fill_random(std::vector<uint8_t>* bytes) {
  SplitMix64 random(7);
  for (size_t i = 0; i + 8 <= bytes->size(); i += 8) {
    const uint64_t word = random.next();
    std::memcpy(bytes->data() + i, &word, sizeof word);
  }
}

}  // namespace

CaseWeights case_weights(WeightType type, int64_t n_row, int64_t k) {
  CaseWeights weights{.type = type, .n_row = n_row, .k = k};
  weights.bytes.resize(static_cast<size_t>(n_row * weights.row_bytes()));
  fill_random(&weights.bytes);
  const auto block =
      static_cast<size_t>(kernels::weight_row_bytes(type, kernels::weight_block_size(type)));
  const size_t at = type == WeightType::q6_k ? offsetof(kernels::BlockQ6K, d) : 0;
  const uint16_t scale = float_to_half(scale_of(type));
  const uint16_t offset =
      float_to_half(type == WeightType::q4_1 || type == WeightType::q5_1 ? -7.5f * scale_of(type)
                                                                         : 7.5f * scale_of(type));
  for (size_t i = 0; i < weights.bytes.size(); i += block) {
    std::memcpy(weights.bytes.data() + i + at, &scale, sizeof scale);
    if (has_offset(type)) std::memcpy(weights.bytes.data() + i + 2, &offset, sizeof offset);
  }
  return weights;
}

}  // namespace restkv::bench
