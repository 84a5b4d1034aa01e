#include "bench/kernels/peaks.h"
#include "kernels/amx_tiles.h"

namespace restkv::bench {

double bf16_loop_amx(int64_t n_round) {
  using kernels::AmxTiles;
  const AmxTiles tiles;
  alignas(64) const float zeros[16 * 16] = {};
  AmxTiles::load<4>(zeros, 64);
  AmxTiles::load<5>(zeros, 64);
  AmxTiles::zero<0>();
  AmxTiles::zero<1>();
  AmxTiles::zero<2>();
  AmxTiles::zero<3>();
  for (int64_t i = 0; i < n_round; ++i) {
    AmxTiles::madd<0, 4, 5>();
    AmxTiles::madd<1, 4, 5>();
    AmxTiles::madd<2, 4, 5>();
    AmxTiles::madd<3, 4, 5>();
  }
  return 4.0 * 16 * 16 * 32 * 2 * static_cast<double>(n_round);
}

}  // namespace restkv::bench
