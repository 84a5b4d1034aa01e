// Rows of bf16 in the order in which vdpbf16ps eats them, the one that oneDNN names BA16a64b2a:
// blocks of 64 rows and 32 columns, in a block the columns by pairs, for every pair the 64 rows.
#pragma once

#include <cstdint>

namespace restkv::kernels {

constexpr int64_t kPairRows = 64, kPairColumns = 32;

// Numbers of a panel of n rows and k columns, padded with zeros to whole blocks.
constexpr int64_t pair_panel_size(int64_t n, int64_t k) {
  return (n + kPairRows - 1) / kPairRows * kPairRows * ((k + kPairColumns - 1) / kPairColumns) *
         kPairColumns;
}

struct PairPanelKernels {
  // rows [n][k] -> out [n / 64][k / 32][16][64][2], rounded up, aligned to 64 bytes. Pure.
  void (*pack)(const uint16_t* rows, int64_t n, int64_t k, uint16_t* out);
};

extern const PairPanelKernels kPairPanelRef;
extern const PairPanelKernels kPairPanelAvx512;  // AVX-512 F

}  // namespace restkv::kernels
