#include "kernels/quant_types.h"

#include "core/check.h"

namespace restkv::kernels {
namespace {

struct Layout {
  int64_t n_value;
  int64_t n_byte;
};

// n_value is 0 for a type that is not ours.
Layout layout_of(WeightType type) {
  switch (type) {
    case WeightType::f32:
      return {1, 4};
    case WeightType::f16:
    case WeightType::bf16:
      return {1, 2};
    case WeightType::q4_0:
      return {32, sizeof(BlockQ40)};
    case WeightType::q4_1:
      return {32, sizeof(BlockQ41)};
    case WeightType::q5_0:
      return {32, sizeof(BlockQ50)};
    case WeightType::q5_1:
      return {32, sizeof(BlockQ51)};
    case WeightType::q8_0:
      return {32, sizeof(BlockQ80)};
    case WeightType::q4_k:
      return {256, sizeof(BlockQ4K)};
    case WeightType::q5_k:
      return {256, sizeof(BlockQ5K)};
    case WeightType::q6_k:
      return {256, sizeof(BlockQ6K)};
  }
  return {0, 0};
}

}  // namespace

bool is_weight_type(int32_t file_type) {
  return layout_of(static_cast<WeightType>(file_type)).n_value > 0;
}

int64_t weight_block_size(WeightType type) {
  return layout_of(type).n_value;
}

int64_t weight_row_bytes(WeightType type, int64_t k) {
  const Layout layout = layout_of(type);
  RESTKV_CHECK(layout.n_value > 0 && k % layout.n_value == 0);
  return k / layout.n_value * layout.n_byte;
}

}  // namespace restkv::kernels
