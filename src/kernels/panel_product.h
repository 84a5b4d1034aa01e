// Products of bf16 rows with a packed panel of weights (pair_panel.h), summed in float.
#pragma once

#include <cstdint>

namespace restkv::kernels {

struct PanelProductKernels {
  // c [m][n] = a [m][k] times the panel's n rows, packed. What comes of a row does not depend on
  // the others. REQUIRES: m and n multiples of 16, k a multiple of 32, panel and c aligned to 64
  // bytes. Pure.
  void (*multiply)(const uint16_t* a, int64_t m, const uint16_t* panel, int64_t n, int64_t k,
                   float* c);
};

extern const PanelProductKernels kPanelProductRef;
extern const PanelProductKernels kPanelProductAmxBf16;  // AMX-BF16, AVX-512 F

}  // namespace restkv::kernels
