#include "kernels/pair_panel.h"
#include "kernels/simd.h"

namespace restkv::kernels {
namespace {

using F = Simd<16>::F;  // sixteen pairs; only moved, never computed with

// Sixteen rows of sixteen pairs each, a row's missing pairs and missing rows as zeros.
void load_rows(const uint16_t* rows, int64_t n_row, int64_t k, int64_t n_column, F (&block)[16]) {
  for (int64_t r = 0; r < 16; ++r) {
    if (r < n_row && n_column >= kPairColumns) {
      block[r] = load<F>(rows + r * k);
      continue;
    }
    block[r] = F{};
    if (r < n_row) __builtin_memcpy(&block[r], rows + r * k, n_column * sizeof(uint16_t));
  }
}

// Panels are larger than a core's caches, and the other cores have read what stood there before:
// stores past the caches spare the fetching of every line, half of the whole time.
void pack(const uint16_t* rows, int64_t n, int64_t k, uint16_t* out) {
  for (int64_t row = 0; row < n; row += kPairRows) {
    for (int64_t column = 0; column < k; column += kPairColumns) {
      const int64_t left = k - column;
      for (int64_t part = 0; part < kPairRows; part += 16) {
        F block[16];
        load_rows(rows + (row + part) * k + column, n - row - part, k,
                  left < kPairColumns ? left : kPairColumns, block);
        Tile<16>::transpose(block);
        for (int64_t pair = 0; pair < 16; ++pair)
          _mm512_stream_ps(reinterpret_cast<float*>(out + (pair * kPairRows + part) * 2),
                           (__m512)block[pair]);
      }
      out += kPairRows * kPairColumns;
    }
  }
  _mm_sfence();
}

}  // namespace

const PairPanelKernels kPairPanelAvx512 = {pack};

}  // namespace restkv::kernels
