// Dequantisation for a register of N floats; see simd.h for the rules. Compiled without contraction
// to FMA: the products and sums are those of ggml, rounded as it rounds them.
#pragma once

#include "kernels/dequant_rows.h"
#include "kernels/quant_simd.h"
#include "kernels/simd.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

template <int N>
class DequantRows {
  using F = typename Simd<N>::F;
  using U = typename Simd<N>::U;

 public:
  static void to_bf16(const WeightRows& rows, int64_t first, int64_t n_row, uint16_t* out) {
    decode_rows(rows, first, n_row, out);
  }

  static void to_float(const WeightRows& rows, int64_t first, int64_t n_row, float* out) {
    decode_rows(rows, first, n_row, out);
  }

  static void floats_to_bf16(const float* in, int64_t n, uint16_t* out) {
    convert(
        n, out, [&](int64_t i) { return load<F>(in + i); }, [&](int64_t i) { return in[i]; });
  }

  static void bf16_to_floats(const uint16_t* in, int64_t n, float* out) {
    convert(
        n, out, [&](int64_t i) { return widen(in + i); },
        [&](int64_t i) { return widen_one(in[i]); });
  }

 private:
  template <typename Out>
  static void decode_rows(const WeightRows& rows, int64_t first, int64_t n_row, Out* out) {
    for (int64_t r = first; r < first + n_row; ++r, out += rows.k) {
      const void* row = static_cast<const uint8_t*>(rows.data) + r * rows.row_bytes;
      decode_row(rows.type, row, rows.k, out);
    }
  }

  template <typename Out>
  static void decode_row(WeightType type, const void* row, int64_t k, Out* out) {
    switch (type) {
      case WeightType::f32:
      case WeightType::f16:
      case WeightType::bf16:
        return plain_row(type, row, k, out);
      case WeightType::q4_0:
        return block_row(static_cast<const BlockQ40*>(row), k, out);
      case WeightType::q4_1:
        return block_row(static_cast<const BlockQ41*>(row), k, out);
      case WeightType::q5_0:
        return block_row(static_cast<const BlockQ50*>(row), k, out);
      case WeightType::q5_1:
        return block_row(static_cast<const BlockQ51*>(row), k, out);
      case WeightType::q8_0:
        return block_row(static_cast<const BlockQ80*>(row), k, out);
      case WeightType::q4_k:
        return grouped_row(static_cast<const BlockQ4K*>(row), k, out);
      case WeightType::q5_k:
        return grouped_row(static_cast<const BlockQ5K*>(row), k, out);
      case WeightType::q6_k:
        return run_row(static_cast<const BlockQ6K*>(row), k, out);
    }
  }

  template <typename Out>
  static void plain_row(WeightType type, const void* row, int64_t k, Out* out) {
    const auto* floats = static_cast<const float*>(row);
    const auto* halves = static_cast<const uint16_t*>(row);
    if (type == WeightType::f32) {
      convert(
          k, out, [&](int64_t i) { return load<F>(floats + i); },
          [&](int64_t i) { return floats[i]; });
    } else if (type == WeightType::f16) {
      convert(
          k, out, [&](int64_t i) { return load_half<N>(halves + i); },
          [&](int64_t i) { return _cvtsh_ss(halves[i]); });
    } else {
      convert(
          k, out, [&](int64_t i) { return widen(halves + i); },
          [&](int64_t i) { return widen_one(halves[i]); });
    }
  }

  template <typename Block, typename Out>
  static void block_row(const Block* block, int64_t k, Out* out) {
    for (int64_t i = 0; i < k / 32; ++i, ++block, out += 32) {
      const F d = all(_cvtsh_ss(block->d));
      const __m256i q = integers<N>(*block);
      if constexpr (requires { block->m; }) {
        const F m = all(_cvtsh_ss(block->m));
        put_32(q, d, d, out, [&](F product) { return product + m; });
      } else {
        put_32(q, d, d, out, [](F product) { return product; });
      }
    }
  }

  template <typename Block, typename Out>
  static void grouped_row(const Block* block, int64_t k, Out* out) {
    for (int64_t i = 0; i < k / 256; ++i, ++block, out += 256) {
      float d[8], m[8];
      scale_groups(*block, d, m);
      each(
          [&]<int kGroup>() {
            const F scale = all(d[kGroup]);
            const F offset = all(m[kGroup]);
            put_32(group_integers<kGroup>(*block), scale, scale, out + 32 * kGroup,
                   [&](F product) { return product - offset; });
          },
          std::make_integer_sequence<int, 8>());
    }
  }

  template <typename Out>
  static void run_row(const BlockQ6K* block, int64_t k, Out* out) {
    for (int64_t i = 0; i < k / 256; ++i, ++block, out += 256) {
      float d[16];
      const __m256 factor = _mm256_set1_ps(_cvtsh_ss(block->d));
      const __m128i scales = load_16(block->scales);
      _mm256_storeu_ps(d, factor * widen_bytes(scales));
      _mm256_storeu_ps(d + 8, factor * widen_bytes(_mm_srli_si128(scales, 8)));
      each(
          [&]<int kRun>() {
            const __m256i q = _mm256_sub_epi8(run_integers<kRun>(*block), _mm256_set1_epi8(32));
            put_32(q, all(d[2 * kRun]), all(d[2 * kRun + 1]), out + 32 * kRun,
                   [](F product) { return product; });
          },
          std::make_integer_sequence<int, 8>());
    }
  }

  template <typename Block>
  [[gnu::always_inline]] static inline void scale_groups(const Block& block, float* d, float* m) {
    const __m128i scales = unpack_scales(block.scales);
    _mm256_storeu_ps(d, _mm256_set1_ps(_cvtsh_ss(block.d)) * widen_bytes(scales));
    _mm256_storeu_ps(m,
                     _mm256_set1_ps(_cvtsh_ss(block.min)) * widen_bytes(_mm_srli_si128(scales, 8)));
  }

  template <typename Body, int... I>
  [[gnu::always_inline]] static inline void each(Body body, std::integer_sequence<int, I...>) {
    (body.template operator()<I>(), ...);
  }

  // Minus, because -0 + 0 is 0.
  [[gnu::always_inline]] static inline F all(float value) { return value - F{}; }

  [[gnu::always_inline]] static inline __m256 widen_bytes(__m128i eight) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight));
  }

  // Floats of the first N signed bytes.
  [[gnu::always_inline]] static inline F floats_of(__m128i bytes) {
#ifdef __AVX512F__
    if constexpr (N == 16) return (F)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
#endif
    if constexpr (N == 8) return (F)widen_bytes(bytes);
  }

  // finish(q[i] * d): d_low for the first 16 values, d_high for the others.
  template <typename Out, typename Finish>
  [[gnu::always_inline]] static inline void put_32(__m256i q, F d_low, F d_high, Out* out,
                                                   Finish finish) {
    const __m128i half[2] = {_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1)};
    const F d[2] = {d_low, d_high};
    if constexpr (N == 16) {
      put(finish(floats_of(half[0]) * d[0]), finish(floats_of(half[1]) * d[1]), out);
    } else {
      for (int h = 0; h < 2; ++h) {
        put(finish(floats_of(half[h]) * d[h]), finish(floats_of(_mm_srli_si128(half[h], 8)) * d[h]),
            out + 16 * h);
      }
    }
  }

  [[gnu::always_inline]] static inline void put(F a, F b, float* out) {
    store(out, a);
    store(out + N, b);
  }

  [[gnu::always_inline]] static inline void put(F a, F b, uint16_t* out) {
#ifdef __AVX512BF16__
    if constexpr (N == 16) {
      const auto packed = _mm512_cvtne2ps_pbh((__m512)b, (__m512)a);
      __builtin_memcpy(out, &packed, sizeof(packed));
      return;
    }
#endif
    put_rounded(round_to_bf16(a), round_to_bf16(b), out);
  }

  // The 2 * N words in the order a, b.
  [[gnu::always_inline]] static inline void put_rounded(U a, U b, uint16_t* out) {
#ifdef __AVX512F__
    if constexpr (N == 16) {
      store(out, _mm512_cvtepi32_epi16((__m512i)a));
      store(out + N, _mm512_cvtepi32_epi16((__m512i)b));
    }
#endif
    if constexpr (N == 8) {
      const __m256i mixed = _mm256_packus_epi32((__m256i)a, (__m256i)b);
      store(out, _mm256_permute4x64_epi64(mixed, 0xd8));
    }
  }

  // The bits of the nearest bfloat16, ties to even; a NaN keeps its upper bits.
  [[gnu::always_inline]] static inline U round_to_bf16(F v) {
    const U bits = (U)v;
    const U rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return v == v ? rounded : (bits >> 16) | 0x40;  // NOLINT(misc-redundant-expression)
  }

  [[gnu::always_inline]] static inline F widen(const uint16_t* in) {
#ifdef __AVX512F__
    if constexpr (N == 16) return (F)((U)_mm512_cvtepu16_epi32(load_32(in)) << 16);
#endif
    if constexpr (N == 8) return (F)((U)_mm256_cvtepu16_epi32(load_16(in)) << 16);
  }

  static float widen_one(uint16_t bf16) {
    const uint32_t bits = static_cast<uint32_t>(bf16) << 16;
    float value;
    __builtin_memcpy(&value, &bits, sizeof(value));
    return value;
  }

  // out[i] = the i-th value: vector(i) gives N of them, one(i) a single one.
  template <typename Out, typename Vector, typename One>
  static void convert(int64_t n, Out* out, Vector vector, One one) {
    int64_t i = 0;
    for (; i + 2 * N <= n; i += 2 * N)
      put(vector(i), vector(i + N), out + i);
    if (i == n) return;
    float rest[2 * N] = {};
    Out last[2 * N];
    for (int64_t j = i; j < n; ++j)
      rest[j - i] = one(j);
    put(load<F>(rest), load<F>(rest + N), last);
    for (int64_t j = i; j < n; ++j)
      out[j] = last[j - i];
  }
};

}  // namespace
}  // namespace restkv::kernels
