#include "kernels/amx_tiles.h"
#include "kernels/prefill_attention_simd.h"
#include "kernels/prefill_bf16_cells_simd.h"

namespace restkv::kernels {
namespace {

struct AmxCells : Bf16Cells {
  static constexpr int64_t kDepthAlign = 16;
  struct Session {
    FlushTiny flush;
    AmxTiles tiles;
  };

  // As Bf16Cells, with one instruction for the fraction, which Intel has at full rate.
  [[gnu::always_inline]] static inline F exp2_sum(F a, F b) {
    const F x = a + b;
    const F r = (F)_mm512_maskz_reduce_ps(0xffff, (__m512)x, _MM_FROUND_TO_NEG_INF);
    F p = r * 7.706705e-2f + 2.2764498e-1f;
    p = p * r + 6.9511679e-1f;
    p = p * r + 1.0f;
    return (F)_mm512_maskz_scalef_ps(0xffff, (__m512)p, (__m512)x);
  }
};

// Blocks of two by two tiles of sums.
template <>
class CellProduct<AmxCells> {
 public:
  static constexpr int64_t kRowPad = 16;

  const uint32_t* a;
  int64_t a_stride;
  const uint32_t* b;
  int64_t depth;  // a multiple of kDepthAlign
  int64_t b_stride;
  float* out;
  int64_t out_stride;
  int64_t n_row;

  template <bool kAdd>
  void run(int64_t width) const {
    int64_t c = 0;
    for (; c + 32 <= width; c += 32)
      columns<2, kAdd>(c);
    if (c < width) columns<1, kAdd>(c);
  }

 private:
  template <int C, bool kAdd>
  void columns(int64_t c) const {
    int64_t r = 0;
    for (; r + 32 <= n_row; r += 32)
      block<2, C, kAdd>(a + r * a_stride, b + c, out + r * out_stride + c);
    if (r < n_row) block<1, C, kAdd>(a + r * a_stride, b + c, out + r * out_stride + c);
  }

  // Tiles 0 .. 3 are sums, 4 and 5 of a, 6 and 7 of b.
  template <int R, int C, bool kAdd>
  [[gnu::always_inline]] inline void block(const uint32_t* rows, const uint32_t* panel,
                                           float* sums) const {
    begin_sum<0, kAdd>(sums);
    if constexpr (C > 1) begin_sum<1, kAdd>(sums + 16);
    if constexpr (R > 1) begin_sum<2, kAdd>(sums + 16 * out_stride);
    if constexpr (R > 1 && C > 1) begin_sum<3, kAdd>(sums + 16 * out_stride + 16);
    for (int64_t k = 0; k < depth; k += 16) {
      AmxTiles::load<4>(rows + k, a_stride * 4);
      AmxTiles::load<6>(panel + k * b_stride, b_stride * 4);
      AmxTiles::madd<0, 4, 6>();
      if constexpr (C > 1) AmxTiles::load<7>(panel + k * b_stride + 16, b_stride * 4);
      if constexpr (C > 1) AmxTiles::madd<1, 4, 7>();
      if constexpr (R > 1) AmxTiles::load<5>(rows + 16 * a_stride + k, a_stride * 4);
      if constexpr (R > 1) AmxTiles::madd<2, 5, 6>();
      if constexpr (R > 1 && C > 1) AmxTiles::madd<3, 5, 7>();
    }
    AmxTiles::store<0>(sums, out_stride * 4);
    if constexpr (C > 1) AmxTiles::store<1>(sums + 16, out_stride * 4);
    if constexpr (R > 1) AmxTiles::store<2>(sums + 16 * out_stride, out_stride * 4);
    if constexpr (R > 1 && C > 1) AmxTiles::store<3>(sums + 16 * out_stride + 16, out_stride * 4);
  }

  template <int T, bool kAdd>
  [[gnu::always_inline]] inline void begin_sum(const float* sums) const {
    if constexpr (kAdd) AmxTiles::load<T>(sums, out_stride * 4);
    if constexpr (!kAdd) AmxTiles::zero<T>();
  }
};

}  // namespace

constinit const PrefillAttentionKernels kPrefillAttentionAmxBf16 =
    PrefillKernels<AmxCells>::table();

}  // namespace restkv::kernels
