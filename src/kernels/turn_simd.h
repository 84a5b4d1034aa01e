// Rotation of rows by the angles of their positions, in registers of N floats; see simd.h for the
// rules.
#pragma once

#include "kernels/decode_attention.h"
#include "kernels/simd.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

inline void turn_pair(float c, float s, float* a, float* b) {
  const float x = *a, y = *b;
  *a = x * c - y * s;
  *b = x * s + y * c;
}

template <int N>
[[gnu::always_inline]] inline void turn_halves(const float* cos_sin, int64_t half, float* x) {
  using F = typename Simd<N>::F;
  int64_t j = 0;
  for (; j + N <= half; j += N) {
    const F c = load<F>(cos_sin + j), s = load<F>(cos_sin + half + j);
    const F a = load<F>(x + j), b = load<F>(x + half + j);
    store(x + j, a * c - b * s);
    store(x + half + j, a * s + b * c);
  }
  for (; j < half; ++j)
    turn_pair(cos_sin[j], cos_sin[half + j], x + j, x + half + j);
}

template <int N>
using Lanes = std::make_integer_sequence<int, N>;

// Both lanes of every pair become its first (kSecond = 0) or its second.
template <int N, int kSecond, int... L>
[[gnu::always_inline]] inline typename Simd<N>::F duplicate(typename Simd<N>::F v,
                                                            std::integer_sequence<int, L...>) {
  return __builtin_shufflevector(v, v, ((L & ~1) + kSecond)...);
}

template <int N, int... L>
[[gnu::always_inline]] inline typename Simd<N>::F swap_pairs(typename Simd<N>::F v,
                                                             std::integer_sequence<int, L...>) {
  return __builtin_shufflevector(v, v, (L ^ 1)...);
}

// Lanes (a, b) of x times (c, s) of t: (a c - b s, a s + b c).
template <int N>
[[gnu::always_inline]] inline typename Simd<N>::F turn_neighbours(typename Simd<N>::F t,
                                                                  typename Simd<N>::F x) {
  using F = typename Simd<N>::F;
  const F crossed = duplicate<N, 1>(t, Lanes<N>()) * swap_pairs<N>(x, Lanes<N>());
  const F straight = duplicate<N, 0>(t, Lanes<N>());
  if constexpr (N == 16) return (F)_mm512_fmaddsub_ps((__m512)x, (__m512)straight, (__m512)crossed);
  if constexpr (N == 8) return (F)_mm256_fmaddsub_ps((__m256)x, (__m256)straight, (__m256)crossed);
}

// x [head_dim] turned by cos_sin [n_rot].
template <int N>
[[gnu::always_inline]] inline void turn_row(const Turns& turns, const float* cos_sin, float* x) {
  using F = typename Simd<N>::F;
  if (turns.halves) return turn_halves<N>(cos_sin, turns.n_rot / 2, x);
  int64_t j = 0;
  for (; j + N <= turns.n_rot; j += N) {
    store(x + j, turn_neighbours<N>(load<F>(cos_sin + j), load<F>(x + j)));
  }
  for (; j < turns.n_rot; j += 2)
    turn_pair(cos_sin[j], cos_sin[j + 1], x + j, x + j + 1);
}

template <int N>
void turn_first(const Turns& turns, float* x) {
  turn_row<N>(turns, turns.cos_sin, x);
}

}  // namespace
}  // namespace restkv::kernels
