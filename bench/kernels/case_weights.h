// Random matrices of a quantised type, as they would lie in a model file.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/dequant_rows.h"

namespace restkv::bench {

struct CaseWeights {
  kernels::WeightType type;
  int64_t n_row = 0, k = 0;
  std::vector<uint8_t> bytes{};  // [n_row][row_bytes()]

  int64_t row_bytes() const { return kernels::weight_row_bytes(type, k); }
  kernels::WeightRows rows() const { return {bytes.data(), type, row_bytes(), k}; }
};

// Types that models are usually stored in.
struct NamedType {
  const char* name;
  kernels::WeightType type;
};
constexpr NamedType kCaseTypes[] = {{"q4_1", kernels::WeightType::q4_1},
                                    {"q5_0", kernels::WeightType::q5_0},
                                    {"q8_0", kernels::WeightType::q8_0},
                                    {"q4_k", kernels::WeightType::q4_k},
                                    {"q6_k", kernels::WeightType::q6_k}};

// Values about as large as those of a model. REQUIRES: k is whole blocks of the type.
CaseWeights case_weights(kernels::WeightType type, int64_t n_row, int64_t k);

}  // namespace restkv::bench
