// What the prefill kernels multiply: cells of 4 bytes, one float or two bfloat16. A product of
// [rows][depth] cells with [depth][columns] cells is the same register block for both.
//
// A cell type has: kLanes (floats and cells of a register), kPerCell (values of a cell), kCentred
// (keys lose their block's mean before they are packed), kDepthAlign (cells: what rows are
// padded to), Session (what lives while a unit is computed), kMaxColumns (registers of a register
// block's row), madd, exp2_sum, max, any_above, and to_cells / pair_cells, which make cells of
// values side by side in a row or of one column in kPerCell rows. See simd.h for the rules of these
// files.
#pragma once

#include "kernels/simd.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

// Results too small for a normal float are zero while it lives. Weights far below their row's
// largest are such, and a CPU takes a hundred cycles for each.
class FlushTiny {
 public:
  FlushTiny() { _mm_setcsr(before_ | 0x8000); }
  ~FlushTiny() { _mm_setcsr(before_); }
  FlushTiny(const FlushTiny&) = delete;
  FlushTiny& operator=(const FlushTiny&) = delete;

 private:
  unsigned before_ = _mm_getcsr();
};

template <int N>
[[gnu::always_inline]] inline float max_lane(typename Simd<N>::F v) {
  __m256 half;
  if constexpr (N == 16) {
    half = _mm256_max_ps(_mm512_maskz_extractf32x8_ps(0xff, (__m512)v, 0),
                         _mm512_maskz_extractf32x8_ps(0xff, (__m512)v, 1));
  } else {
    half = (__m256)v;
  }
  half = _mm256_max_ps(half, _mm256_permute2f128_ps(half, half, 1));
  half = _mm256_max_ps(half, _mm256_permute_ps(half, 0x4e));
  return _mm256_cvtss_f32(_mm256_max_ps(half, _mm256_permute_ps(half, 0xb1)));
}

template <int N>
struct FloatCells {
  static constexpr int kLanes = N;
  using F = typename Simd<N>::F;
  using U = typename Simd<N>::U;
  static constexpr int kPerCell = 1;
  static constexpr bool kCentred = false;
  static constexpr int64_t kDepthAlign = 1;
  using Session = FlushTiny;
  static constexpr int kMaxColumns = N == 16 ? 4 : 2;

  [[gnu::always_inline]] static inline F madd(F sum, uint32_t a, U b) {
    float factor;
    __builtin_memcpy(&factor, &a, sizeof(factor));
    return sum + factor * (F)b;
  }

  [[gnu::always_inline]] static inline U to_cells(const F (&values)[1]) { return (U)values[0]; }
  [[gnu::always_inline]] static inline U pair_cells(const F (&rows)[1]) { return (U)rows[0]; }

  // 2^(a + b), at most 2^127, within 2e-7; 0 below 2^-126.
  [[gnu::always_inline]] static inline F exp2_sum(F a, F b) {
    const F sum = a + b;
    const F x = sum > 127.0f ? F{} + 127.0f : sum;
    const F whole = floor(x);
    const F r = x - whole;
    F p = r * 1.8671302e-3f + 9.01703e-3f;
    p = p * r + 5.5799913e-2f;
    p = p * r + 2.4016445e-1f;
    p = p * r + 6.9315131e-1f;
    p = p * r + 1.0f;
    using I = typename Simd<N>::I;
    const F in_range = x > -126.0f ? whole : F{} - 126.0f;
    const F power = (F)((U)p + ((U) __builtin_convertvector(in_range, I) << 23));
    return x > -126.0f ? power : max(F{}, x);  // a NaN stays one: max gives its second argument
  }

  [[gnu::always_inline]] static inline F max(F a, F b) {
    if constexpr (N == 16) return (F)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b);
    if constexpr (N == 8) return (F)_mm256_max_ps((__m256)a, (__m256)b);
  }

  // A NaN is above anything.
  [[gnu::always_inline]] static inline bool any_above(F v, float bound) {
    if constexpr (N == 16) {
      return _mm512_cmp_ps_mask((__m512)v, _mm512_set1_ps(bound), _CMP_NLE_UQ) != 0;
    }
    if constexpr (N == 8) {
      const __m256 above = _mm256_cmp_ps((__m256)v, _mm256_set1_ps(bound), _CMP_NLE_UQ);
      return _mm256_movemask_ps(above) != 0;
    }
  }

 private:
  [[gnu::always_inline]] static inline F floor(F x) {
    if constexpr (N == 16) {
      return (F)_mm512_maskz_roundscale_ps(0xffff, (__m512)x, _MM_FROUND_TO_NEG_INF);
    }
    if constexpr (N == 8) return (F)_mm256_floor_ps((__m256)x);
  }
};

}  // namespace
}  // namespace restkv::kernels
