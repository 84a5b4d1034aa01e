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
    float* values = args.scratch;  // [d][kTile]
    for (int64_t first = 0; first < args.n_entry; first += kTile) {
      const int64_t left = args.n_entry - first;
      Tile<N>::pack_transposed(args.values, first, left < kTile ? left : kTile, values);
      for (int64_t h = 0; h < args.n_head; ++h) {
        const float* projected = args.projected + h * d;
        F squares[2] = {};
        if (args.factors == nullptr) {
          add_squares(values, projected, d, squares);
        } else {
          project<true>(args.factors + h * d * d, values, d, projected, nullptr, squares);
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
        project<false>(args.factor, values, d, nullptr, projected, unused);
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

  static void gram_in_floats(const float* w, int64_t n_row, int64_t n_col, int64_t row_stride,
                             double* gram, int64_t gram_stride, float* scratch) {
    const int64_t padded = (n_col + kTile - 1) / kTile * kTile;
    for (int64_t i = 0; i < n_col * gram_stride; ++i)
      gram[i] = 0.0;
    for (int64_t first = 0; first < n_row; first += kGramTile) {
      const int64_t count = n_row - first < kGramTile ? n_row - first : kGramTile;
      // Rows that end inside a register are copied, zeros behind them.
      const float* tile = w + first * row_stride;
      for (int64_t e = 0; padded != n_col && e < count; ++e) {
        for (int64_t c = 0; c < padded; ++c)
          scratch[e * padded + c] = c < n_col ? tile[e * row_stride + c] : 0.0f;
      }
      const int64_t stride = padded != n_col ? padded : row_stride;
      if (padded != n_col) tile = scratch;
      int64_t i = 0;
      for (; i + kRows <= n_col; i += kRows)
        float_gram_rows<kRows>(tile, stride, padded, i, count, gram, gram_stride);
      for (; i < n_col; ++i)
        float_gram_rows<1>(tile, stride, padded, i, count, gram, gram_stride);
    }
  }

  static void eliminate(const double* pivot, double factor, int64_t first, int64_t n, double* row) {
    for (int64_t j = first / (N / 2) * (N / 2); j < n; j += N / 2)
      store(row + j, load<D>(row + j) - factor * load<D>(pivot + j));
  }

 private:
  static constexpr int64_t kGramTile = 32;

  static F square_root(F x) {
    if constexpr (N == 16) return (F)_mm512_maskz_sqrt_ps(0xffff, (__m512)x);
    if constexpr (N == 8) return (F)_mm256_sqrt_ps((__m256)x);
  }

  static void add_squares(const float* tile, const float* projected, int64_t d, F (&squares)[2]) {
    for (int64_t c = 0; c < d; ++c) {
      const F a = projected[c] - load<F>(tile + c * kTile);
      const F b = projected[c] - load<F>(tile + c * kTile + N);
      squares[0] += a * a;
      squares[1] += b * b;
    }
  }

  // The R x R triangle at the diagonal: a full block would multiply its zeros.
  template <int R>
  [[gnu::always_inline]] static inline void multiply_triangle(const float* factor,
                                                              const float* tile, int64_t d,
                                                              F (&acc)[R][2]) {
#pragma GCC unroll 8
    for (int c = 0; c < R; ++c) {
      const F a = load<F>(tile + c * kTile);
      const F b = load<F>(tile + c * kTile + N);
#pragma GCC unroll 8
      for (int i = 0; i <= c; ++i) {
        acc[i][0] += factor[i * d + c] * a;
        acc[i][1] += factor[i * d + c] * b;
      }
    }
  }

  // Rows r .. r + R - 1 of R_h times the tile, less `from` where kDiffers.
  template <int R, bool kDiffers>
  [[gnu::always_inline]] static inline void project_rows(const float* factor, const float* tile,
                                                         int64_t d, int64_t r, const float* from,
                                                         float* out, F (&squares)[2]) {
    F acc[R][2] = {};
    for (int i = 0; kDiffers && i < R; ++i)
      acc[i][0] = acc[i][1] = F{} - from[r + i];
    multiply_triangle<R>(factor + r * d + r, tile + r * kTile, d, acc);
    multiply(factor + r * d + r + R, d, 1, tile + (r + R) * kTile, kTile, d - r - R, acc);
    for (int i = 0; i < R; ++i) {
      for (int half = 0; half < 2; ++half) {
        if constexpr (kDiffers) squares[half] += acc[i][half] * acc[i][half];
        if constexpr (!kDiffers) store(out + (r + i) * kTile + half * N, acc[i][half]);
      }
    }
  }

  // kDiffers: squares += the squared length of every column of R_h tile - from [d]. Otherwise
  // out = R_h tile, [d][kTile].
  template <bool kDiffers>
  static void project(const float* factor, const float* tile, int64_t d, const float* from,
                      float* out, F (&squares)[2]) {
    int64_t r = 0;
    for (; r + kRows <= d; r += kRows)
      project_rows<kRows, kDiffers>(factor, tile, d, r, from, out, squares);
    for (; r < d; ++r)
      project_rows<1, kDiffers>(factor, tile, d, r, from, out, squares);
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

  template <int R>
  static void float_gram_rows(const float* tile, int64_t stride, int64_t padded, int64_t i,
                              int64_t count, double* gram, int64_t gram_stride) {
    for (int64_t j = i / kTile * kTile; j < padded; j += kTile) {
      F acc[R][2] = {};
      multiply(tile + i, 1, stride, tile + j, stride, count, acc);
      for (int r = 0; r < R; ++r) {
        double* out = gram + (i + r) * gram_stride + j;
        add_as_doubles<N>(acc[r][0], out);
        add_as_doubles<N>(acc[r][1], out + N);
      }
    }
  }
};

}  // namespace
}  // namespace restkv::kernels
