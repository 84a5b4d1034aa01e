// Integers of quantised blocks in zmm registers, in the order of the products by vpdpbusd; see
// simd.h for the rules.
//
// A run is 128 values: four blocks or groups j of 32. It fills two registers: dword 4 l + j of the
// first holds the values 4 l .. 4 l + 3 of group j, the same dword of the second the values
// 16 + 4 l .. So the sums of group j end in dwords j, 4 + j, 8 + j and 12 + j, and its scale gets
// there by a broadcast of four floats.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/quant_matvec.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

struct alignas(64) ByteOrder {
  uint8_t at[64];
};
struct alignas(64) WordOrder {
  uint16_t at[32];
};

// Where value v of group j goes: place(j, v) says where it comes from.
template <typename Place>
constexpr ByteOrder order_bytes(int first_value, Place place) {
  ByteOrder order{};
  for (int p = 0; p < 64; ++p)
    order.at[p] = static_cast<uint8_t>(place(p % 16 / 4, first_value + p / 16 * 4 + p % 4));
  return order;
}

template <typename Order>
[[gnu::always_inline]] inline __m512i load_order(const Order& order) {
  return _mm512_load_si512(&order);
}

struct Run {
  __m512i low, high;
};

// Two registers of 64 values each, rearranged by two of the orders above.
[[gnu::always_inline]] inline Run permute(__m512i a, const ByteOrder& low, const ByteOrder& high,
                                          __m512i b) {
  return {_mm512_permutex2var_epi8(a, load_order(low), b),
          _mm512_permutex2var_epi8(a, load_order(high), b)};
}

// Of 128 values as they come: groups 0 and 1, then 2 and 3.
inline constexpr ByteOrder kPlainLow = order_bytes(0, [](int j, int v) { return 32 * j + v; });
inline constexpr ByteOrder kPlainHigh = order_bytes(16, [](int j, int v) { return 32 * j + v; });

// Of groups 0 and 2, then 1 and 3.
inline constexpr ByteOrder kPairedLow =
    order_bytes(0, [](int j, int v) { return j % 2 * 64 + j / 2 * 32 + v; });
inline constexpr ByteOrder kPairedHigh =
    order_bytes(16, [](int j, int v) { return j % 2 * 64 + j / 2 * 32 + v; });

[[gnu::always_inline]] inline __m512i nibbles(__m512i v) {
  return _mm512_and_si512(v, _mm512_set1_epi8(15));
}

// (nibble & 15) | (rest & 0xf0), cut to `keep`.
[[gnu::always_inline]] inline __m512i with_high(__m512i nibble, __m512i rest, char keep) {
  const __m512i both = _mm512_ternarylogic_epi32(_mm512_set1_epi8(15), nibble, rest, 0xca);
  return _mm512_and_si512(both, _mm512_set1_epi8(keep));
}

// Keeps a value in its register: a compiler that reads it from memory again for every use pays for
// a crossed cache line each time.
[[gnu::always_inline]] inline __m512i hold(__m512i v) {
  __asm__("" : "+v"(v));
  return v;
}

// Four blocks of 32 in two registers: bytes 0..63 and the last 32, or of 136 the last 72. Where
// they are fewer than four, only their bytes are read.
template <typename Block>
class FourBlocks {
 public:
  static constexpr int kBytes = 4 * sizeof(Block);
  // 1 where a block has an offset of its own, else less what unsigned weights are too large by.
  static constexpr float kSumFactor = sizeof(Block) == sizeof(BlockQ40)   ? -8.0f
                                      : sizeof(Block) == sizeof(BlockQ50) ? -16.0f
                                      : sizeof(Block) == sizeof(BlockQ80) ? -128.0f
                                                                          : 1.0f;
  Run run;
  __m128 scale;   // of the four groups
  __m128 offset;  // what the groups' sums are multiplied by, but for kSumFactor

  [[gnu::always_inline]] explicit inline FourBlocks(const uint8_t* p, int n_byte = kBytes) {
    const __m512i a = read<64>(p, 0, n_byte);
    const __m512i b = read<kSecondBytes>(p, kSecond, n_byte);
    run.low = _mm512_permutex2var_epi8(a, load_order(kFirst16), b);
    if constexpr (kWhole) {
      const __m512i flip = _mm512_set1_epi8(-128);
      run.high = _mm512_permutex2var_epi8(read<64>(p, 8, n_byte), load_order(kLast16),
                                          read<64>(p, 72, n_byte));
      run = {_mm512_xor_si512(run.low, flip), _mm512_xor_si512(run.high, flip)};
    } else {
      run.high = _mm512_srli_epi16(run.low, 4);
      if constexpr (kHasHigh) {
        const __m512i bits = _mm512_permutex2var_epi16(a, load_order(kHigh), b);
        const __m512i low_bits = _mm512_multishift_epi64_epi8(load_order(kShiftLow), bits);
        const __m512i high_bits = _mm512_multishift_epi64_epi8(load_order(kShiftHigh), bits);
        run = {with_high(run.low, low_bits, 31), with_high(run.high, high_bits, 31)};
      } else {
        run = {nibbles(run.low), nibbles(run.high)};
      }
    }
    read_scales(_mm512_castsi512_si128(_mm512_permutex2var_epi16(a, load_order(kScales), b)));
  }

 private:
  static constexpr bool kWhole = sizeof(Block) == sizeof(BlockQ80);  // bytes, not nibbles
  static constexpr bool kHasHigh =
      sizeof(Block) == sizeof(BlockQ50) || sizeof(Block) == sizeof(BlockQ51);
  static constexpr bool kHasOffset =
      sizeof(Block) == sizeof(BlockQ41) || sizeof(Block) == sizeof(BlockQ51);
  static constexpr int kQuants = kWhole ? 2 : sizeof(Block) - 16;
  static constexpr int kSecond = kWhole ? 64 : kBytes - 32;
  static constexpr int kSecondBytes = kWhole ? 64 : 32;

  // The index of byte p of the four blocks in the two registers.
  static constexpr int at(int p) { return p < 64 ? p : 64 + p - kSecond; }
  static constexpr ByteOrder kFirst16 =
      order_bytes(0, [](int j, int v) { return at(j * int{sizeof(Block)} + kQuants + v); });
  // Of 136 bytes the second registers begin at byte 8.
  static constexpr ByteOrder kLast16 =
      order_bytes(16, [](int j, int v) { return j * int{sizeof(Block)} + kQuants + v - 8; });

  // The four scales, then the four offsets.
  static constexpr WordOrder scale_order() {
    WordOrder order{};
    for (int i = 0; i < 4; ++i) {
      order.at[i] = static_cast<uint16_t>(at(i * int{sizeof(Block)}) / 2);
      order.at[4 + i] = static_cast<uint16_t>(at(i * int{sizeof(Block)} + 2) / 2);
    }
    return order;
  }
  static constexpr WordOrder kScales = scale_order();

  // In each qword the 32 fifth bits of two groups: dword 4 l + j of group j, for all l.
  static constexpr WordOrder high_order() {
    WordOrder order{};
    for (int i = 0; i < 32; ++i) {
      const int from = i / 2 % 4 * int{sizeof(Block)} + kQuants - 4 + i % 2 * 2;
      order.at[i] = static_cast<uint16_t>(at(from) / 2);
    }
    return order;
  }
  static constexpr WordOrder kHigh = high_order();

  // What brings the fifth bit of each value to bit 4 of its byte.
  static constexpr ByteOrder high_shifts(int first_value) {
    ByteOrder order{};
    for (int p = 0; p < 64; ++p) {
      const int bit = p % 8 / 4 * 32 + first_value + p / 16 * 4 + p % 4;
      order.at[p] = static_cast<uint8_t>((bit + 60) % 64);
    }
    return order;
  }
  static constexpr ByteOrder kShiftLow = high_shifts(0);
  static constexpr ByteOrder kShiftHigh = high_shifts(16);

  // The N bytes from `at` on, as far as they are among the first n_byte.
  template <int N>
  [[gnu::always_inline]] static inline __m512i read(const uint8_t* p, int at, int n_byte) {
    if (n_byte >= kBytes) {
      if constexpr (N == 64) return hold(_mm512_loadu_si512(p + at));
      const auto* from = reinterpret_cast<const __m256i_u*>(p + at);
      return hold(_mm512_castsi256_si512(_mm256_loadu_si256(from)));
    }
    const int left = n_byte - at < N ? n_byte - at : N;
    const uint64_t mask = left >= 64 ? ~uint64_t{0} : left <= 0 ? 0 : (uint64_t{1} << left) - 1;
    return hold(_mm512_maskz_loadu_epi8(mask, p + at));
  }

  [[gnu::always_inline]] inline void read_scales(__m128i words) {
    if constexpr (kHasOffset) {
      const __m256 both = _mm256_cvtph_ps(words);
      scale = _mm256_castps256_ps128(both);
      offset = _mm256_extractf128_ps(both, 1);
    } else {
      scale = offset = _mm_cvtph_ps(words);
    }
  }
};

}  // namespace
}  // namespace restkv::kernels
