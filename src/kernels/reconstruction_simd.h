// The reconstruction kernels for a register of N floats; see simd.h for the rules.
#pragma once

#include "kernels/reconstruction.h"
#include "kernels/simd.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

template <int N>
class Reconstruction {
  using F = typename Simd<N>::F;
  using D = typename Simd<N>::D;
  static constexpr int64_t kTile = Simd<N>::kTile;
  static constexpr int kRows = Simd<N>::kRows;

 public:
  static void distance(const ReconstructionDistance& args) {
    const int64_t d = args.values.n_col;
    float* values = args.scratch;                   // [d][kTile]
    float* differences = args.scratch + d * kTile;  // [d][kTile]
    for (int64_t first = 0; first < args.n_entry; first += kTile) {
      const int64_t left = args.n_entry - first;
      Tile<N>::pack_transposed(args.values, first, left < kTile ? left : kTile, values);
      for (int64_t h = 0; h < args.n_head; ++h) {
        const float* output = args.outputs + h * d;
        for (int64_t c = 0; c < d; ++c) {
          for (int64_t l = 0; l < kTile; l += N) {
            store(differences + c * kTile + l, output[c] - load<F>(values + c * kTile + l));
          }
        }
        F squares[2] = {};
        if (args.factors == nullptr) {
          add_squares(differences, d, squares);
        } else {
          project(args.factors + h * d * d, differences, d, nullptr, squares);
        }
        float* out = args.distances + h * args.stride + first;
        store(out, square_root(squares[0]));
        store(out + N, square_root(squares[1]));
      }
    }
  }

  static void score_rows(const RowReconstruction& args) {
    const int64_t d = args.values.n_col;
    float* values = args.scratch;                 // [d][kTile]
    float* projected = args.scratch + d * kTile;  // [d][kTile]
    for (int64_t first = 0; first < args.n_entry; first += kTile) {
      const int64_t left = args.n_entry - first;
      Tile<N>::pack_transposed(args.values, first, left < kTile ? left : kTile, values);
      const float* shared = values;
      if (args.factor != nullptr) {
        F unused[2] = {};
        project(args.factor, values, d, projected, unused);
        shared = projected;
      }
      int64_t t = 0;
      for (; t + kRows <= args.n_row; t += kRows)
        score_tile<kRows>(args, t, first, shared);
      for (; t < args.n_row; ++t)
        score_tile<1>(args, t, first, shared);
    }
  }

  static void gram(const float* w, int64_t n_row, int64_t n_col, int64_t row_stride, double* gram,
                   int64_t gram_stride, double* scratch) {
    const int64_t padded = (n_col + N - 1) / N * N;  // kTile floats are N doubles here
    for (int64_t i = 0; i < n_col * gram_stride; ++i)
      gram[i] = 0.0;
    for (int64_t first = 0; first < n_row; first += kGramTile) {
      const int64_t count = n_row - first < kGramTile ? n_row - first : kGramTile;
      for (int64_t e = 0; e < count; ++e) {
        const float* row = w + (first + e) * row_stride;
        for (int64_t c = 0; c < padded; ++c)
          scratch[e * padded + c] = c < n_col ? row[c] : 0.0;
      }
      int64_t i = 0;
      for (; i + kRows <= n_col; i += kRows)
        gram_rows<kRows>(scratch, padded, i, count, gram, gram_stride);
      for (; i < n_col; ++i)
        gram_rows<1>(scratch, padded, i, count, gram, gram_stride);
    }
  }

 private:
  static constexpr int64_t kGramTile = 32;

  static F square_root(F x) {
    if constexpr (N == 16) return (F)_mm512_maskz_sqrt_ps(0xffff, (__m512)x);
    if constexpr (N == 8) return (F)_mm256_sqrt_ps((__m256)x);
  }

  static void add_squares(const float* tile, int64_t d, F (&squares)[2]) {
    for (int64_t c = 0; c < d; ++c) {
      const F a = load<F>(tile + c * kTile);
      const F b = load<F>(tile + c * kTile + N);
      squares[0] += a * a;
      squares[1] += b * b;
    }
  }

  // Rows r .. r + R - 1 of R_h times the tile: columns before r are zeros of the triangle.
  template <int R>
  [[gnu::always_inline]] static inline void project_rows(const float* factor, const float* tile,
                                                         int64_t d, int64_t r, float* out,
                                                         F (&squares)[2]) {
    F acc[R][2] = {};
    multiply(factor + r * d + r, d, 1, tile + r * kTile, kTile, d - r, acc);
    for (int i = 0; i < R; ++i) {
      for (int half = 0; half < 2; ++half) {
        squares[half] += acc[i][half] * acc[i][half];
        if (out != nullptr) store(out + (r + i) * kTile + half * N, acc[i][half]);
      }
    }
  }

  // out (where given) = R_h tile, [d][kTile]; squares += the squared length of every column of it.
  static void project(const float* factor, const float* tile, int64_t d, float* out,
                      F (&squares)[2]) {
    int64_t r = 0;
    for (; r + kRows <= d; r += kRows)
      project_rows<kRows>(factor, tile, d, r, out, squares);
    for (; r < d; ++r)
      project_rows<1>(factor, tile, d, r, out, squares);
  }

  template <int R>
  static void score_tile(const RowReconstruction& args, int64_t t, int64_t first,
                         const float* shared) {
    const int64_t d = args.values.n_col;
    F acc[R][2] = {};
    for (int64_t c = 0; c < d; ++c) {
      const F a = load<F>(shared + c * kTile);
      const F b = load<F>(shared + c * kTile + N);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const float x = args.projected[(t + r) * d + c];
        acc[r][0] += (x - a) * (x - a);
        acc[r][1] += (x - b) * (x - b);
      }
    }
    for (int r = 0; r < R; ++r) {
      for (int half = 0; half < 2; ++half) {
        float* weights = args.weights + (t + r) * args.stride + first + half * N;
        const F weight = load<F>(weights);
        const F rest = 1.0f - weight;
        const F bounded = rest > kMinRemainder ? rest : F{} + kMinRemainder;
        store(weights, weight / bounded * square_root(acc[r][half]) / args.divisors[t + r]);
      }
    }
  }

  template <int R>
  static void gram_rows(const double* tile, int64_t padded, int64_t i, int64_t count, double* gram,
                        int64_t gram_stride) {
    for (int64_t j = i / N * N; j < padded; j += N) {
      D acc[R][2] = {};
      multiply(tile + i, 1, padded, tile + j, padded, count, acc);
      for (int r = 0; r < R; ++r) {
        double* out = gram + (i + r) * gram_stride + j;
        store(out, load<D>(out) + acc[r][0]);
        store(out + N / 2, load<D>(out + N / 2) + acc[r][1]);
      }
    }
  }
};

}  // namespace
}  // namespace restkv::kernels
