#include "kernels/pair_panel.h"

namespace restkv::kernels {
namespace {

void pack(const uint16_t* rows, int64_t n, int64_t k, uint16_t* out) {
  for (int64_t row = 0; row < n; row += kPairRows) {
    for (int64_t column = 0; column < k; column += kPairColumns) {
      for (int64_t pair = column; pair < column + kPairColumns; pair += 2) {
        for (int64_t r = row; r < row + kPairRows; ++r) {
          for (int64_t c = pair; c < pair + 2; ++c)
            *out++ = r < n && c < k ? rows[r * k + c] : 0;
        }
      }
    }
  }
}

}  // namespace

const PairPanelKernels kPairPanelRef = {pack};

}  // namespace restkv::kernels
