#include <immintrin.h>

#include "bench/kernels/peaks.h"

namespace restkv::bench {

// Twelve sums in a row hide the latency of an addition that depends on the last.
double f32_loop_avx2(int64_t n_round) {
  __m256 sums[12];
  for (auto& sum : sums)
    sum = _mm256_set1_ps(1.0f);
  const __m256 a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(0.25f);
  for (int64_t i = 0; i < n_round; ++i) {
#pragma GCC unroll 12
    for (auto& sum : sums) {
      sum = _mm256_fmadd_ps(sum, a, b);
      asm volatile("" : "+x"(sum));
    }
  }
  return 12.0 * 8 * 2 * static_cast<double>(n_round);
}

uint64_t read_loop_avx2(const uint64_t* words, int64_t n) {
  __m256i sums[4] = {};
  for (int64_t i = 0; i < n; i += 16) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      const auto* at = reinterpret_cast<const __m256i*>(words + i + 4 * k);
      sums[k] = _mm256_xor_si256(sums[k], _mm256_loadu_si256(at));
    }
  }
  const __m256i all =
      _mm256_xor_si256(_mm256_xor_si256(sums[0], sums[1]), _mm256_xor_si256(sums[2], sums[3]));
  alignas(32) uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), all);
  return lanes[0] ^ lanes[1] ^ lanes[2] ^ lanes[3];
}

}  // namespace restkv::bench
