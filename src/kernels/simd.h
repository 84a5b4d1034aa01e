// Building blocks of the vector kernels, written once for any width N (floats per register) with
// GCC's vector extension, and instantiated by the *_avx2.cpp (N = 8) and *_avx512.cpp (N = 16)
// files under their own compiler flags.
//
// Everything is in an anonymous namespace, and no inline function of another header may be called
// from here: the linker would be free to use its AVX copy on a machine without AVX.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <utility>  // types alone: see below

#include "kernels/window_attention.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see above

template <int N>
struct Simd {
  typedef float F __attribute__((vector_size(4 * N)));
  typedef int32_t I __attribute__((vector_size(4 * N)));
  typedef uint32_t U __attribute__((vector_size(4 * N)));
  typedef double D __attribute__((vector_size(4 * N)));       // N / 2 lanes
  typedef float H __attribute__((vector_size(4 * (N / 2))));  // as many floats
  typedef uint16_t W __attribute__((vector_size(2 * N)));
  // Columns of a tile: two registers, so that a broadcast serves two multiplications.
  static constexpr int64_t kTile = 2 * N;
  // Rows of a register block: 2 * kRows accumulators, two tile registers and a broadcast fit.
  static constexpr int kRows = N == 16 ? 8 : 4;
};

template <typename V, typename T>
[[gnu::always_inline]] inline V load(const T* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof(V));
  return v;
}

template <typename V, typename T>
[[gnu::always_inline]] inline void store(T* p, V v) {
  __builtin_memcpy(p, &v, sizeof(V));
}

template <int N>
[[gnu::always_inline]] inline typename Simd<N>::F load_half(const uint16_t* p) {
  if constexpr (N == 16) {
    return (typename Simd<N>::F)_mm512_maskz_cvtph_ps(
        0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i_u*>(p)));
  } else {
    return (typename Simd<N>::F)_mm256_cvtph_ps(
        _mm_loadu_si128(reinterpret_cast<const __m128i_u*>(p)));
  }
}

template <typename V>
[[gnu::always_inline]] inline auto lane_sum(V v) {
  constexpr int kLanes = sizeof(V) / sizeof(v[0]);
  auto sum = v[0];
  for (int i = 1; i < kLanes; ++i)
    sum += v[i];
  return sum;
}

// acc[r] += sum over c < depth of a[r * row + c * col] * b[c * b_stride ..]: a register block of
// R x 2 vectors.
template <typename V, int R, typename T>
[[gnu::always_inline]] inline void multiply(const T* a, int64_t row, int64_t col, const T* b,
                                            int64_t b_stride, int64_t depth, V (&acc)[R][2]) {
  constexpr int64_t kLanes = sizeof(V) / sizeof(T);
  for (int64_t c = 0; c < depth; ++c) {
    const V b0 = load<V>(b + c * b_stride);
    const V b1 = load<V>(b + c * b_stride + kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const T factor = a[r * row + c * col];
      acc[r][0] += factor * b0;
      acc[r][1] += factor * b1;
    }
  }
}

// Lanes kFirst .. kFirst + N / 2 - 1, in registers.
template <int N, int kFirst, int... L>
[[gnu::always_inline]] inline typename Simd<N>::H half_of(typename Simd<N>::F v,
                                                          std::integer_sequence<int, L...>) {
  return __builtin_shufflevector(v, v, (kFirst + L)...);
}

// sums[l] += v[l] for all N lanes.
template <int N>
[[gnu::always_inline]] inline void add_as_doubles(typename Simd<N>::F v, double* sums) {
  using D = typename Simd<N>::D;
  using Half = std::make_integer_sequence<int, N / 2>;
  const D low = __builtin_convertvector((half_of<N, 0>(v, Half())), D);
  const D high = __builtin_convertvector((half_of<N, N / 2>(v, Half())), D);
  store(sums, load<D>(sums) + low);
  store(sums + N / 2, load<D>(sums + N / 2) + high);
}

// One tile of rows as float in scratch, either transposed or as it lies.
template <int N>
class Tile {
  using F = typename Simd<N>::F;

 public:
  // out [n_col][kTile]: column l is row first + l; columns from count on are zero.
  static void pack_transposed(const RowsView& rows, int64_t first, int64_t count, float* out) {
    const int64_t n_whole = rows.n_col / N * N;
    for (int64_t half = 0; half < 2; ++half) {
      for (int64_t c = 0; c < n_whole; c += N) {
        F block[N];
        for (int64_t i = 0; i < N; ++i) {
          const int64_t l = half * N + i;
          block[i] = l < count ? load_vector(rows, first + l, c) : F{};
        }
        transpose(block);
        for (int64_t i = 0; i < N; ++i)
          store(out + (c + i) * kTile + half * N, block[i]);
      }
    }
    for (int64_t c = n_whole; c < rows.n_col; ++c) {
      for (int64_t l = 0; l < kTile; ++l) {
        out[c * kTile + l] = l < count ? load_scalar(rows, first + l, c) : 0.0f;
      }
    }
    prefetch(rows, first + kTile);
  }

  // out [count][round_up(n_col, kTile)], zeros beyond n_col.
  static void pack_rows(const RowsView& rows, int64_t first, int64_t count, float* out) {
    const int64_t n_whole = rows.n_col / N * N;
    const int64_t n_padded = (rows.n_col + kTile - 1) / kTile * kTile;
    for (int64_t l = 0; l < count; ++l, out += n_padded) {
      for (int64_t c = 0; c < n_whole; c += N)
        store(out + c, load_vector(rows, first + l, c));
      for (int64_t c = n_whole; c < n_padded; ++c) {
        out[c] = c < rows.n_col ? load_scalar(rows, first + l, c) : 0.0f;
      }
    }
  }

 private:
  static constexpr int64_t kTile = Simd<N>::kTile;

  // The tile from row `first` on: it is needed when this one has been multiplied. Rows that are
  // read a part at a time do not look like a stream to the hardware. Inline: a call that does
  // nothing else is dropped by the compiler.
  [[gnu::always_inline]] static inline void prefetch(const RowsView& rows, int64_t first) {
    const int64_t size = rows.type == ElementType::f16 ? 2 : 4;
    const int64_t end = first + kTile < rows.n_row ? first + kTile : rows.n_row;
    for (int64_t row = first; row < end; ++row) {
      const char* data = static_cast<const char*>(rows.data) + row * rows.row_stride * size;
      for (int64_t byte = 0; byte < rows.n_col * size; byte += 64)
        __builtin_prefetch(data + byte);
    }
  }

  [[gnu::always_inline]] static inline F load_vector(const RowsView& rows, int64_t row, int64_t c) {
    const int64_t offset = row * rows.row_stride + c;
    if (rows.type == ElementType::f16) {
      return load_half<N>(static_cast<const uint16_t*>(rows.data) + offset);
    }
    return load<F>(static_cast<const float*>(rows.data) + offset);
  }

  static float load_scalar(const RowsView& rows, int64_t row, int64_t c) {
    const int64_t offset = row * rows.row_stride + c;
    if (rows.type == ElementType::f16) {
      return _cvtsh_ss(static_cast<const uint16_t*>(rows.data)[offset]);
    }
    return static_cast<const float*>(rows.data)[offset];
  }

  // Lane l of the result: a's where bit K of l is clear, else b's lane l - K (the low half of each
  // pair of blocks); or the same one block further on (the high half).
  template <int K, bool kHigh, int... L>
  [[gnu::always_inline]] static inline F interleave(F a, F b, std::integer_sequence<int, L...>) {
    if constexpr (kHigh) return __builtin_shufflevector(a, b, ((L & K) == 0 ? L + K : N + L)...);
    return __builtin_shufflevector(a, b, ((L & K) == 0 ? L : N + L - K)...);
  }

 public:
  // Swaps ever larger off-diagonal blocks: log2(N) rounds of N shuffles.
  template <int K = 1>
  [[gnu::always_inline]] static inline void transpose(F (&block)[N]) {
    using Lanes = std::make_integer_sequence<int, N>;
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) {
      if ((i & K) != 0) continue;
      const F a = block[i];
      const F b = block[i + K];
      block[i] = interleave<K, false>(a, b, Lanes());
      block[i + K] = interleave<K, true>(a, b, Lanes());
    }
    if constexpr (2 * K < N) transpose<2 * K>(block);
  }
};

}  // namespace
}  // namespace restkv::kernels
