// The window-attention kernels for a register of N floats; see simd.h for the rules.
#pragma once

#include "kernels/simd.h"
#include "kernels/window_attention.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

template <int N>
class WindowAttention {
  using F = typename Simd<N>::F;
  using U = typename Simd<N>::U;
  static constexpr int64_t kTile = Simd<N>::kTile;
  static constexpr int kRows = Simd<N>::kRows;

 public:
  static void attention_rows(const AttentionRows& args) {
    for (int64_t first = 0; first < args.keys.n_row; first += kTile) {
      const int64_t left = args.keys.n_row - first;
      Tile<N>::pack_transposed(args.keys, first, left < kTile ? left : kTile, args.scratch);
      int64_t r = 0;
      for (; r + kRows <= args.n_row; r += kRows)
        dot_products<kRows>(args, r, first);
      for (; r < args.n_row; ++r)
        dot_products<1>(args, r, first);
    }
    for (int64_t r = 0; r < args.n_row; ++r) {
      softmax(args.weights + r * args.stride, args.visible[r], args.keys.n_row, args.scale);
    }
  }

  static void attention_output(const AttentionOutput& args) {
    const int64_t d = args.values.n_col;
    for (int64_t i = 0; i < args.n_row * d; ++i)
      args.output[i] = 0.0f;
    // Sums of a tile first, then the sum of tiles: rounding grows with the root of the length.
    for (int64_t first = 0; first < args.n_entry; first += kValueTile) {
      const int64_t left = args.n_entry - first;
      const int64_t count = left < kValueTile ? left : kValueTile;
      Tile<N>::pack_rows(args.values, first, count, args.scratch);
      int64_t r = 0;
      for (; r + kRows <= args.n_row; r += kRows)
        add_values<kRows>(args, r, first, count);
      for (; r + 3 <= args.n_row; r += 3)
        add_values<3>(args, r, first, count);
      for (; r < args.n_row; ++r)
        add_values<1>(args, r, first, count);
    }
  }

  static void weighted_sum(const WeightedSum& args) {
    // Whole registers to the end: equal columns have equal sums wherever they stand.
    for (int64_t j = 0; j < args.n; j += N) {
      F sums[2] = {};  // two chains of additions
      for (int64_t r = 0; r + 2 <= args.n_row; r += 2) {
        sums[0] += args.factors[r] * load<F>(args.weights + r * args.stride + j);
        sums[1] += args.factors[r + 1] * load<F>(args.weights + (r + 1) * args.stride + j);
      }
      if (args.n_row % 2 == 1) {
        const int64_t r = args.n_row - 1;
        sums[0] += args.factors[r] * load<F>(args.weights + r * args.stride + j);
      }
      store(args.out + j, sums[0] + sums[1]);
    }
  }

  static void add_columns(const float* weights, int64_t stride, int64_t n_row, int64_t n,
                          double* sums) {
    constexpr int64_t kAtOnce = 8;
    int64_t r = 0;
    for (; r + kAtOnce <= n_row; r += kAtOnce)
      add_rows<kAtOnce>(weights + r * stride, stride, n, sums);
    for (; r < n_row; ++r)
      add_rows<1>(weights + r * stride, stride, n, sums);
  }

 private:
  static constexpr int64_t kValueTile = 64;

  // Raw dot products of R rows with the tile of keys at `first`.
  template <int R>
  static void dot_products(const AttentionRows& args, int64_t r, int64_t first) {
    const int64_t d = args.keys.n_col;
    F acc[R][2] = {};
    multiply(args.queries + r * d, d, 1, args.scratch, kTile, d, acc);
    for (int i = 0; i < R; ++i) {
      float* out = args.weights + (r + i) * args.stride + first;
      store(out, acc[i][0]);
      store(out + N, acc[i][1]);
    }
  }

  template <int R>
  static void add_values(const AttentionOutput& args, int64_t r, int64_t first, int64_t count) {
    const int64_t d = args.values.n_col;
    const int64_t d_padded = (d + kTile - 1) / kTile * kTile;
    for (int64_t c = 0; c < d; c += kTile) {
      F acc[R][2] = {};
      multiply(args.weights + r * args.stride + first, args.stride, 1, args.scratch + c, d_padded,
               count, acc);
      for (int i = 0; i < R; ++i) {
        float sums[kTile];
        store(sums, acc[i][0]);
        store(sums + N, acc[i][1]);
        float* out = args.output + (r + i) * d + c;
        const int64_t left = d - c < kTile ? d - c : kTile;
        for (int64_t l = 0; l < left; ++l)
          out[l] += sums[l];
      }
    }
  }

  template <int R>
  static void add_rows(const float* weights, int64_t stride, int64_t n, double* sums) {
    int64_t j = 0;
    for (; j + N <= n; j += N) {
      F total = load<F>(weights + j);
#pragma GCC unroll 8
      for (int r = 1; r < R; ++r)
        total += load<F>(weights + r * stride + j);
      add_as_doubles<N>(total, sums + j);
    }
    for (; j < n; ++j) {
      float total = 0.0f;
      for (int r = 0; r < R; ++r)
        total += weights[r * stride + j];
      sums[j] += total;
    }
  }

  // e^x for x <= 0, within 2 units in the last place; 0 below -87.
  [[gnu::always_inline]] static inline F exp_negative(F x) {
    const F magic = F{} + 12582912.0f;  // adding it rounds to an integer
    const F shifted = x * 1.44269504f + magic;
    const F n = shifted - magic;
    const F r = x - n * 0.693359375f - n * -2.12194440e-4f;
    F p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    // Unsigned: where x is far below -87 the sum wraps, and is not used.
    const F power = (F)(((U)shifted << 23) + (U)p);
    const F zero{};
    const F bounded = x < -87.0f ? zero : power;
    return x == x ? bounded : x;  // NOLINT(misc-redundant-expression): a NaN stays one
  }

  static void softmax(float* row, int64_t n_visible, int64_t n_key, float scale) {
    const int64_t n_padded = round_up_to_align(n_key);
    for (int64_t j = n_visible; j < n_padded; ++j)
      row[j] = -__builtin_inff();
    const int64_t end = (n_visible + N - 1) / N * N;
    F largest = load<F>(row);
    for (int64_t j = N; j < end; j += N) {
      const F x = load<F>(row + j);
      largest = x > largest ? x : largest;
    }
    float top = largest[0];
    for (int i = 1; i < N; ++i)
      top = largest[i] > top ? largest[i] : top;

    F total{};
    for (int64_t j = 0; j < end; j += N) {
      const F e = exp_negative((load<F>(row + j) - top) * scale);
      store(row + j, e);
      total += e;
    }
    const float inverse = 1.0f / lane_sum(total);
    for (int64_t j = 0; j < end; j += N)
      store(row + j, load<F>(row + j) * inverse);
    for (int64_t j = end; j < n_padded; ++j)
      row[j] = 0.0f;
  }

  static constexpr int64_t round_up_to_align(int64_t n) {
    return (n + kRowAlign - 1) / kRowAlign * kRowAlign;
  }
};

}  // namespace
}  // namespace restkv::kernels
