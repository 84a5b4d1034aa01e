#include "kernels/pair_panel.h"
#include "kernels/panel_product.h"

#include <bit>

namespace restkv::kernels {
namespace {

float widen(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

void multiply(const uint16_t* a, int64_t m, const uint16_t* panel, int64_t n, int64_t k, float* c) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      const uint16_t* block = panel + j / kPairRows * kPairRows * k;
      float sum = 0.0f;
      for (int64_t p = 0; p < k / 2; ++p) {
        const uint16_t* pair = block + (p * kPairRows + j % kPairRows) * 2;
        for (int64_t h = 0; h < 2; ++h)
          sum += widen(a[i * k + 2 * p + h]) * widen(pair[h]);
      }
      c[i * n + j] = sum;
    }
  }
}

}  // namespace

const PanelProductKernels kPanelProductRef = {multiply};

}  // namespace restkv::kernels
