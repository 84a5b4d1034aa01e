// Cells of two bfloat16, for the files that are compiled for AVX-512 with BF16; see
// prefill_cells_simd.h.
#pragma once

#include "kernels/prefill_cells_simd.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

struct Bf16Cells {
  static constexpr int kLanes = 16;
  using F = Simd<kLanes>::F;
  using U = Simd<kLanes>::U;
  static constexpr int kPerCell = 2;
  static constexpr bool kCentred = true;
  static constexpr int64_t kDepthAlign = 1;
  using Session = FloatCells<16>::Session;
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

  // 2^(a + b) within 9e-5: weights are rounded to 8 bits anyway. Sums are multiplications by one
  // where that leaves the units that add, round and scale (Zen 4 has two pairs) with less to do.
  [[gnu::always_inline]] static inline F exp2_sum(F a, F b) {
    F one = F{} + 1.0f;
    asm("" : "+v"(one));
    const F x = (F)_mm512_fmadd_ps((__m512)a, (__m512)one, (__m512)b);
    const F whole = (F)_mm512_maskz_roundscale_ps(0xffff, (__m512)x, _MM_FROUND_TO_NEG_INF);
    const F r = (F)_mm512_fnmadd_ps((__m512)whole, (__m512)one, (__m512)x);
    F p = r * 7.706705e-2f + 2.2764498e-1f;
    p = p * r + 6.9511679e-1f;
    p = p * r + 1.0f;
    return (F)_mm512_maskz_scalef_ps(0xffff, (__m512)p, (__m512)x);
  }

  [[gnu::always_inline]] static inline F max(F a, F b) {
    return (F)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b);
  }

  // A NaN is above anything.
  [[gnu::always_inline]] static inline bool any_above(F v, float bound) {
    return _mm512_cmp_ps_mask((__m512)v, _mm512_set1_ps(bound), _CMP_NLE_UQ) != 0;
  }

 private:
  [[gnu::always_inline]] static inline __m256i bits_of(F values) {
    return (__m256i)_mm512_cvtneps_pbh((__m512)values);
  }
};

}  // namespace
}  // namespace restkv::kernels
