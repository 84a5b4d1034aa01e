// Integers of quantised blocks in registers: 32 of them as bytes, in the order of their values.
// See simd.h for the rules; N is the width that the file is compiled for, 8 or 16 floats.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/quant_types.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

[[gnu::always_inline]] inline __m256i load_32(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i_u*>(p));
}

[[gnu::always_inline]] inline __m128i load_16(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i_u*>(p));
}

// 16 bytes of nibbles: the low ones, then the high ones.
[[gnu::always_inline]] inline __m256i unpack_nibbles(const uint8_t* q) {
  const __m128i bytes = load_16(q);
  const __m256i both = _mm256_set_m128i(_mm_srli_epi16(bytes, 4), bytes);
  return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

// All ones where bit i of `bits` is set, for N = 8.
[[gnu::always_inline]] inline __m256i spread_bits(uint32_t bits) {
  const __m256i byte_of = _mm256_setr_epi64x(0x0000000000000000, 0x0101010101010101,
                                             0x0202020202020202, 0x0303030303030303);
  const __m256i bit_of = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
  const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)), byte_of);
  return _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit_of), bit_of);
}

// v + value where bit i of `bits` is set.
template <int N>
[[gnu::always_inline]] inline __m256i add_where(const uint16_t (&bits)[2], __m256i v, char value) {
  const uint32_t mask = bits[0] | static_cast<uint32_t>(bits[1]) << 16;
#ifdef __AVX512BW__
  if constexpr (N == 16) return _mm256_mask_add_epi8(v, mask, v, _mm256_set1_epi8(value));
#endif
  return _mm256_add_epi8(v, _mm256_and_si256(spread_bits(mask), _mm256_set1_epi8(value)));
}

// What a block of 32 holds before its scale, as signed bytes: q - 8, q, q - 16, q, q.

template <int N>
[[gnu::always_inline]] inline __m256i integers(const BlockQ40& b) {
  return _mm256_sub_epi8(unpack_nibbles(b.q), _mm256_set1_epi8(8));
}

template <int N>
[[gnu::always_inline]] inline __m256i integers(const BlockQ41& b) {
  return unpack_nibbles(b.q);
}

template <int N>
[[gnu::always_inline]] inline __m256i integers(const BlockQ50& b) {
  const __m256i low = _mm256_sub_epi8(unpack_nibbles(b.q), _mm256_set1_epi8(16));
  return add_where<N>(b.high, low, 16);
}

template <int N>
[[gnu::always_inline]] inline __m256i integers(const BlockQ51& b) {
  return add_where<N>(b.high, unpack_nibbles(b.q), 16);
}

template <int N>
[[gnu::always_inline]] inline __m256i integers(const BlockQ80& b) {
  return load_32(b.q);
}

// Group kGroup of the eight of a K block, not negative.
template <int kGroup>
[[gnu::always_inline]] inline __m256i group_integers(const BlockQ4K& b) {
  const __m256i bytes = load_32(b.q + kGroup / 2 * 32);
  return _mm256_and_si256(kGroup % 2 == 0 ? bytes : _mm256_srli_epi16(bytes, 4),
                          _mm256_set1_epi8(15));
}

template <int kGroup>
[[gnu::always_inline]] inline __m256i group_integers(const BlockQ5K& b) {
  const __m256i bytes = load_32(b.q + kGroup / 2 * 32);
  const __m256i low =
      _mm256_and_si256(kGroup % 2 == 0 ? bytes : _mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
  const __m256i high = load_32(b.high);
  const __m256i shifted = kGroup < 4 ? _mm256_slli_epi16(high, kGroup < 4 ? 4 - kGroup : 0)
                                     : _mm256_srli_epi16(high, kGroup < 4 ? 0 : kGroup - 4);
  return _mm256_or_si256(low, _mm256_and_si256(shifted, _mm256_set1_epi8(16)));
}

// Values 32 * kRun to 32 * kRun + 31 of a Q6_K block, 0..63: without the offset of 32.
template <int kRun>
[[gnu::always_inline]] inline __m256i run_integers(const BlockQ6K& b) {
  constexpr int kHalf = kRun / 4;
  constexpr int kInHalf = kRun % 4;
  const __m256i bytes = load_32(b.low + kHalf * 64 + kInHalf % 2 * 32);
  const __m256i low =
      _mm256_and_si256(kInHalf < 2 ? bytes : _mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
  const __m256i high = load_32(b.high + kHalf * 32);
  const __m256i shifted = kInHalf < 2 ? _mm256_slli_epi16(high, 4 - 2 * (kInHalf % 2))
                                      : _mm256_srli_epi16(high, 2 * (kInHalf % 2));
  return _mm256_or_si256(low, _mm256_and_si256(shifted, _mm256_set1_epi8(0x30)));
}

// The eight scales of a K block, then its eight offsets, as bytes.
[[gnu::always_inline]] inline __m128i unpack_scales(const uint8_t (&scales)[12]) {
  uint32_t word[3];
  __builtin_memcpy(word, scales, sizeof(word));
  const uint32_t six = 0x3f3f3f3f, four = 0x0f0f0f0f, two = 0x30303030;
  const uint32_t scale_high = (word[2] & four) | ((word[0] >> 2) & two);
  const uint32_t offset_high = ((word[2] >> 4) & four) | ((word[1] >> 2) & two);
  return _mm_setr_epi32(static_cast<int>(word[0] & six), static_cast<int>(scale_high),
                        static_cast<int>(word[1] & six), static_cast<int>(offset_high));
}

}  // namespace
}  // namespace restkv::kernels
