#include <immintrin.h>

#include "bench/kernels/peaks.h"

namespace restkv::bench {

double f32_loop_avx512(int64_t n_round) {
  __m512 sums[12];
  for (auto& sum : sums)
    sum = _mm512_set1_ps(1.0f);
  const __m512 a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
  for (int64_t i = 0; i < n_round; ++i) {
#pragma GCC unroll 12
    for (auto& sum : sums) {
      sum = _mm512_fmadd_ps(sum, a, b);
      asm volatile("" : "+v"(sum));
    }
  }
  return 12.0 * 16 * 2 * static_cast<double>(n_round);
}

uint64_t read_loop_avx512(const uint64_t* words, int64_t n) {
  __m512i sums[4] = {};
  for (int64_t i = 0; i < n; i += 32) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k)
      sums[k] = _mm512_xor_si512(sums[k], _mm512_loadu_si512(words + i + 8 * k));
  }
  const __m512i all =
      _mm512_xor_si512(_mm512_xor_si512(sums[0], sums[1]), _mm512_xor_si512(sums[2], sums[3]));
  alignas(64) uint64_t lanes[8];
  _mm512_store_si512(lanes, all);
  uint64_t result = 0;
  for (const uint64_t lane : lanes)
    result ^= lane;
  return result;
}

}  // namespace restkv::bench
