#include <immintrin.h>

#include "bench/kernels/peaks.h"

namespace restkv::bench {

double bf16_loop_avx512(int64_t n_round) {
  __m512 sums[12] = {};
  const __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5f), _mm512_set1_ps(0.25f));
  for (int64_t i = 0; i < n_round; ++i) {
#pragma GCC unroll 12
    for (auto& sum : sums) {
      sum = _mm512_dpbf16_ps(sum, a, a);
      asm volatile("" : "+v"(sum));
    }
  }
  return 12.0 * 32 * 2 * static_cast<double>(n_round);
}

double int8_loop_avx512(int64_t n_round) {
  __m512i sums[12] = {};
  const __m512i a = _mm512_set1_epi8(3);
  for (int64_t i = 0; i < n_round; ++i) {
#pragma GCC unroll 12
    for (auto& sum : sums) {
      sum = _mm512_dpbusd_epi32(sum, a, a);
      asm volatile("" : "+v"(sum));
    }
  }
  return 12.0 * 64 * 2 * static_cast<double>(n_round);
}

}  // namespace restkv::bench
