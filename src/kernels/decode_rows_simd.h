// Rows of a cache in registers of N floats, for the decode kernels; see simd.h for the rules.
// Every kind of row has load(row, c, out): dimensions 32 c .. 32 c + 31 of one row. Those that can
// end within a chunk (kEndsAnywhere) have load_tail(): the same of the last, incomplete chunk, with
// zeros beyond the row.
#pragma once

#include "kernels/simd.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

constexpr int64_t kChunk = 32;

template <int N>
struct Chunk {
  using F = typename Simd<N>::F;
  static constexpr int kVec = kChunk / N;
  F v[kVec];
};

template <int N>
[[gnu::always_inline]] inline typename Simd<N>::F broadcast_half(const std::byte* p) {
  uint16_t half;
  __builtin_memcpy(&half, p, sizeof half);
  if constexpr (N == 16) return (typename Simd<N>::F)_mm512_set1_ps(_cvtsh_ss(half));
  if constexpr (N == 8) return (typename Simd<N>::F)_mm256_set1_ps(_cvtsh_ss(half));
}

// The first `count` halves at p, zeros behind.
template <int N>
[[gnu::always_inline]] inline typename Simd<N>::F load_half_part(const uint16_t* p, int64_t count) {
  if (count >= N) return load_half<N>(p);
  if (count <= 0) return typename Simd<N>::F{};
  if constexpr (N == 16) {
    const __mmask16 mask = static_cast<__mmask16>((1u << count) - 1u);
    return (typename Simd<N>::F)_mm512_maskz_cvtph_ps(0xffff, _mm256_maskz_loadu_epi16(mask, p));
  } else {
    uint16_t padded[N] = {};
    for (int64_t i = 0; i < count; ++i)
      padded[i] = p[i];
    return load_half<N>(padded);
  }
}

template <int N>
struct HalfRows {
  static constexpr bool kEndsAnywhere = true;
  int64_t n_tail;  // head_dim % kChunk

  [[gnu::always_inline]] void load(const std::byte* row, int64_t c, Chunk<N>* out) const {
    const auto* p = reinterpret_cast<const uint16_t*>(row) + c * kChunk;
    for (int i = 0; i < Chunk<N>::kVec; ++i)
      out->v[i] = load_half<N>(p + i * N);
  }
  [[gnu::always_inline]] void load_tail(const std::byte* row, int64_t c, Chunk<N>* out) const {
    const auto* p = reinterpret_cast<const uint16_t*>(row) + c * kChunk;
    for (int i = 0; i < Chunk<N>::kVec; ++i)
      out->v[i] = load_half_part<N>(p + i * N, n_tail - i * N);
  }
};

// A factor, then 32 signed bytes.
template <int N>
struct Q8Rows {
  static constexpr bool kEndsAnywhere = false;
  static constexpr size_t kBytes = 34;

  [[gnu::always_inline]] void load(const std::byte* row, int64_t c, Chunk<N>* out) const {
    const std::byte* block = row + c * kBytes;
    const auto factor = broadcast_half<N>(block);
    for (int i = 0; i < Chunk<N>::kVec; ++i)
      out->v[i] = bytes(block + 2 + i * N) * factor;
  }

 private:
  [[gnu::always_inline]] static typename Simd<N>::F bytes(const std::byte* p) {
    if constexpr (N == 16) {
      const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i_u*>(p));
      return (typename Simd<N>::F)_mm512_maskz_cvtepi32_ps(0xffff,
                                                           _mm512_maskz_cvtepi8_epi32(0xffff, b));
    } else {
      const __m128i b = _mm_loadl_epi64(reinterpret_cast<const __m128i_u*>(p));
      return (typename Simd<N>::F)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(b));
    }
  }
};

// A factor, then 16 bytes: dimensions 0 .. 15 in the low halves, 16 .. 31 in the high ones, as
// numbers from -8 to 7 with 8 added.
template <int N>
struct Q4Rows {
  using F = typename Simd<N>::F;
  using I = typename Simd<N>::I;
  static constexpr bool kEndsAnywhere = false;
  static constexpr size_t kBytes = 18;

  [[gnu::always_inline]] void load(const std::byte* row, int64_t c, Chunk<N>* out) const {
    const std::byte* block = row + c * kBytes;
    const auto factor = broadcast_half<N>(block);
    if constexpr (N == 16) {
      // A shuffle of a table looks at the low four bits of an index alone.
      const F table = F{-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7} * factor;
      const auto b = (I)_mm512_maskz_cvtepu8_epi32(
          0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i_u*>(block + 2)));
      out->v[0] = __builtin_shuffle(table, b);
      out->v[1] = __builtin_shuffle(table, b >> 4);
    } else {
      const __m256i low = _mm256_set1_epi32(15), eight = _mm256_set1_epi32(8);
      for (int i = 0; i < 2; ++i) {
        const __m256i b = _mm256_cvtepu8_epi32(
            _mm_loadl_epi64(reinterpret_cast<const __m128i_u*>(block + 2 + i * 8)));
        const __m256i lo = _mm256_sub_epi32(_mm256_and_si256(b, low), eight);
        const __m256i hi = _mm256_sub_epi32(_mm256_srli_epi32(b, 4), eight);
        out->v[i] = (typename Simd<N>::F)_mm256_cvtepi32_ps(lo) * factor;
        out->v[2 + i] = (typename Simd<N>::F)_mm256_cvtepi32_ps(hi) * factor;
      }
    }
  }
};

// Floats of scratch, padded with zeros to whole chunks.
template <int N>
struct FloatRows {
  static constexpr bool kEndsAnywhere = false;
  [[gnu::always_inline]] void load(const std::byte* row, int64_t c, Chunk<N>* out) const {
    const auto* p = reinterpret_cast<const float*>(row) + c * kChunk;
    for (int i = 0; i < Chunk<N>::kVec; ++i)
      out->v[i] = kernels::load<typename Simd<N>::F>(p + i * N);
  }
};

// The first eight lanes, and the last.
template <int N>
[[gnu::always_inline]] inline __m256 low_half(typename Simd<N>::F v) {
  if constexpr (N == 16) return (__m256)__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
  if constexpr (N == 8) return (__m256)v;
}

template <int N>
[[gnu::always_inline]] inline __m256 high_half(typename Simd<N>::F v) {
  if constexpr (N == 16) return _mm512_maskz_extractf32x8_ps(0xff, (__m512)v, 1);
  if constexpr (N == 8) return (__m256)v;
}

// The sums over the lanes of four registers.
template <int N>
[[gnu::always_inline]] inline __m128 lane_sums(const typename Simd<N>::F (&a)[4]) {
  __m256 s[4];
  for (int i = 0; i < 4; ++i) {
    s[i] = low_half<N>(a[i]);
    if constexpr (N == 16) s[i] += high_half<N>(a[i]);
  }
  const __m256 t0 = _mm256_unpacklo_ps(s[0], s[1]) + _mm256_unpackhi_ps(s[0], s[1]);
  const __m256 t1 = _mm256_unpacklo_ps(s[2], s[3]) + _mm256_unpackhi_ps(s[2], s[3]);
  const __m256 u = (__m256)_mm256_unpacklo_pd((__m256d)t0, (__m256d)t1) +
                   (__m256)_mm256_unpackhi_pd((__m256d)t0, (__m256d)t1);
  return _mm256_castps256_ps128(u) + _mm256_extractf128_ps(u, 1);
}

// The largest lane. NaNs are passed over where there are numbers.
template <int N>
[[gnu::always_inline]] inline float lane_max(typename Simd<N>::F v) {
  __m256 half = low_half<N>(v);
  if constexpr (N == 16) half = _mm256_max_ps(half, high_half<N>(v));
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  m = _mm_max_ss(m, _mm_movehdup_ps(m));
  return m[0];
}

// Consecutive rows of one head.
struct RowBlock {
  const std::byte* rows;
  size_t row_bytes;
  int64_t n;

  [[gnu::always_inline]] const std::byte* row(int64_t i) const { return rows + i * row_bytes; }
};

// Calls use(c, load) for every chunk c of a row of head_dim; load(row, out) reads that chunk.
template <int N, typename Rows, typename Use>
[[gnu::always_inline]] inline void each_chunk(const Rows& rows, int64_t head_dim, const Use& use) {
  const int64_t n_whole = head_dim / kChunk;
  for (int64_t c = 0; c < n_whole; ++c) {
    use(
        c, [&](const std::byte* row, Chunk<N>* out)
               __attribute__((always_inline)) { rows.load(row, c, out); });
  }
  if constexpr (Rows::kEndsAnywhere) {
    if (n_whole * kChunk == head_dim) return;
    use(
        n_whole, [&](const std::byte* row, Chunk<N>* out)
                     __attribute__((always_inline)) { rows.load_tail(row, n_whole, out); });
  }
}

}  // namespace
}  // namespace restkv::kernels
