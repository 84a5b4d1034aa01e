// The K blocks, as quant_matvec_vnni.h has those of 32.
#pragma once

#include "kernels/quant_matvec_vnni.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

// Scales 0..7, then offsets 0..7, from d, min and the twelve bytes behind them.
[[gnu::always_inline]] inline __m128i group_scales(__m128i head) {
  const __m128i low = _mm_shuffle_epi8(
      head, _mm_setr_epi8(4, 5, 6, 7, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15));
  const __m128i top = _mm_shuffle_epi8(
      head, _mm_setr_epi8(-1, -1, -1, -1, 4, 5, 6, 7, -1, -1, -1, -1, 8, 9, 10, 11));
  const __m128i keep = _mm_setr_epi32(0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f);
  const __m128i shifted = _mm_srlv_epi32(low, _mm_setr_epi32(0, 0, 0, 4));
  const __m128i high = _mm_and_si128(_mm_srli_epi16(top, 2), _mm_set1_epi8(0x30));
  return _mm_or_si128(_mm_and_si128(shifted, keep), high);
}

// 32 bytes of high bits twice: turned right by a dword's a bits, and by b.
[[gnu::always_inline]] inline __m512i turn_twice(const uint8_t* high, int a, int b) {
  const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i_u*>(high));
  const __m512i by = _mm512_setr_epi32(a, a, a, a, a, a, a, a, b, b, b, b, b, b, b, b);
  return _mm512_rorv_epi32(_mm512_broadcast_i64x4(bytes), by);
}

// A block of 256 of Q4_K or Q5_K.
template <typename Block>
struct Grouped {
  Run run[2];
  __m512 factors;  // d * scale of the eight groups, then min * offset

  [[gnu::always_inline]] explicit inline Grouped(const Block& block) {
    const __m128i head = _mm_loadu_si128(reinterpret_cast<const __m128i_u*>(&block));
    const __m512 d_min =
        _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1),
                              _mm512_castps128_ps512(_mm_cvtph_ps(head)));
    factors = d_min * _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(group_scales(head)));
    for (int half = 0; half < 2; ++half) {
      const __m512i bytes = _mm512_loadu_si512(block.q + 64 * half);
      const __m512i shifted = _mm512_srli_epi16(bytes, 4);
      if constexpr (sizeof(Block) == sizeof(BlockQ5K)) {
        run[half] = permute(with_high(bytes, fifth_bits(block, 4 * half), 31), kPairedLow,
                            kPairedHigh, with_high(shifted, fifth_bits(block, 4 * half + 1), 31));
      } else {
        run[half] = permute(nibbles(bytes), kPairedLow, kPairedHigh, nibbles(shifted));
      }
    }
  }

 private:
  // Those of groups `group` and group + 2 as bit 4 of their bytes.
  [[gnu::always_inline]] static inline __m512i fifth_bits(const Block& block, int group) {
    return turn_twice(block.high, (group - 4) & 31, (group - 2) & 31);
  }
};

// A block of 256 of Q6_K, 32 too large.
struct Runs {
  Run run[2];
  __m256i scales;  // [16] of 16 bits: dword j of half h has those of group 4 h + j
  float d;

  [[gnu::always_inline]] explicit inline Runs(const BlockQ6K& block) {
    d = _cvtsh_ss(block.d);
    const auto* bytes_of_scales = reinterpret_cast<const __m128i_u*>(block.scales);
    scales = _mm256_cvtepi8_epi16(_mm_loadu_si128(bytes_of_scales));
    for (int half = 0; half < 2; ++half) {
      const uint8_t* high = block.high + 32 * half;
      const __m512i bytes = _mm512_loadu_si512(block.low + 64 * half);
      const __m512i shifted = _mm512_srli_epi16(bytes, 4);
      const __m512i first = with_high(bytes, turn_twice(high, 28, 30), 63);
      const __m512i second = with_high(shifted, turn_twice(high, 0, 2), 63);
      run[half] = permute(first, kPlainLow, kPlainHigh, second);
    }
  }
};

}  // namespace
}  // namespace restkv::kernels
