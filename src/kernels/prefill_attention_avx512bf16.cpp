#include "kernels/prefill_attention_simd.h"

namespace restkv::kernels {
namespace {

struct Bf16Cells {
  static constexpr int N = 16;
  using F = Simd<N>::F;
  using U = Simd<N>::U;
  static constexpr int kPerCell = 2;
  static constexpr bool kCentred = true;
  static constexpr int kMaxColumns = 4;

  [[gnu::always_inline]] static inline F madd(F sum, uint32_t a, U b) {
    const U factor = U{} + a;
    return (F)_mm512_dpbf16_ps((__m512)sum, (__m512bh)factor, (__m512bh)b);
  }

  [[gnu::always_inline]] static inline U to_cells(const F (&values)[2]) {
    return (U)_mm512_cvtne2ps_pbh((__m512)values[1], (__m512)values[0]);
  }

  [[gnu::always_inline]] static inline U pair_cells(const F (&rows)[2]) {
    const __m512i low = _mm512_maskz_cvtepu16_epi32(0xffff, bits_of(rows[0]));
    const __m512i high = _mm512_maskz_cvtepu16_epi32(0xffff, bits_of(rows[1]));
    return (U)low | (U)high << 16;
  }

  // 2^x for x < 128, within 3e-6: weights are rounded to 8 bits anyway.
  [[gnu::always_inline]] static inline F exp2(F x) {
    const F r = (F)_mm512_maskz_reduce_ps(0xffff, (__m512)x, _MM_FROUND_TO_NEG_INF);
    F p = r * 1.3426685e-2f + 5.2242473e-2f;
    p = p * r + 2.4128021e-1f;
    p = p * r + 6.9304484e-1f;
    p = p * r + 1.0f;
    return (F)_mm512_maskz_scalef_ps(0xffff, (__m512)p, (__m512)x);
  }

  [[gnu::always_inline]] static inline F max(F a, F b) {
    return (F)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b);
  }

 private:
  [[gnu::always_inline]] static inline __m256i bits_of(F values) {
    return (__m256i)_mm512_cvtneps_pbh((__m512)values);
  }
};

}  // namespace

const PrefillAttentionKernels kPrefillAttentionAvx512Bf16 = PrefillKernels<Bf16Cells>::table();

}  // namespace restkv::kernels
