// Products of f32, f16 and bf16 weights with float vectors, for a register of N floats; see simd.h
// for the rules.
#pragma once

#include "kernels/quant_matvec.h"
#include "kernels/simd.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

// Stores one element of the product.
[[gnu::always_inline]] inline void finish_row(const MatvecArgs& args, int64_t row, int64_t x,
                                              float value) {
  const int64_t at = x * args.out_stride + row;
  if (args.bias != nullptr) value += args.bias[row];
  if (args.residual != nullptr) value += args.residual[at];
  args.out[at] = value;
}

template <int N>
class FloatRows {
  using F = typename Simd<N>::F;
  using U = typename Simd<N>::U;

  struct FromF32 {
    using Element = float;
    static F vector(const float* p) { return load<F>(p); }
  };
  struct FromF16 {
    using Element = uint16_t;
    static F vector(const uint16_t* p) { return load_half<N>(p); }
  };
  struct FromBf16 {
    using Element = uint16_t;
    static F vector(const uint16_t* p) {
#ifdef __AVX512F__
      if constexpr (N == 16) return (F)((U)_mm512_cvtepu16_epi32(load<__m256i>(p)) << 16);
#endif
      if constexpr (N == 8) return (F)((U)_mm256_cvtepu16_epi32(load<__m128i>(p)) << 16);
    }
  };

 public:
  static void rows(const MatvecArgs& args, int64_t first, int64_t n_row) {
    switch (args.weights.type) {
      case WeightType::f16:
        return typed_rows<FromF16>(args, first, n_row);
      case WeightType::bf16:
        return typed_rows<FromBf16>(args, first, n_row);
      default:
        return typed_rows<FromF32>(args, first, n_row);
    }
  }

 private:
  static constexpr int64_t kStep = 4 * N;  // four sums hide the latency of an addition

  template <typename From>
  static void typed_rows(const MatvecArgs& args, int64_t first, int64_t n_row) {
    for (int64_t row = first; row < first + n_row; ++row) {
      int64_t v = 0;
      for (; v + 4 <= args.n_vector; v += 4)
        one_row<From, 4>(args, row, v);
      for (; v < args.n_vector; ++v)
        one_row<From, 1>(args, row, v);
    }
  }

  template <typename From, int X>
  static void one_row(const MatvecArgs& args, int64_t row, int64_t first_vector) {
    using Element = typename From::Element;
    const auto* bytes = static_cast<const char*>(args.weights.data) + row * args.weights.row_bytes;
    const auto* w = reinterpret_cast<const Element*>(bytes);
    const float* x[X];
    for (int v = 0; v < X; ++v)
      x[v] = args.floats + (first_vector + v) * args.float_stride;
    F sums[X][4] = {};
    const int64_t k = args.weights.k;
    int64_t at = 0;
    for (; at + kStep <= k; at += kStep) {
      add<From, X>(w + at, x, at, sums);
    }
    if (at < k) add_rest<From, X>(w, x, at, k, sums);
    for (int v = 0; v < X; ++v) {
      const F sum = (sums[v][0] + sums[v][1]) + (sums[v][2] + sums[v][3]);
      finish_row(args, row, first_vector + v, lane_sum(sum));
    }
  }

  template <typename From, int X>
  [[gnu::always_inline]] static inline void add(const typename From::Element* w,
                                                const float* const (&x)[X], int64_t at,
                                                F (&sums)[X][4]) {
#pragma GCC unroll 4
    for (int u = 0; u < 4; ++u) {
      const F weights = From::vector(w + u * N);
#pragma GCC unroll 4
      for (int v = 0; v < X; ++v)
        sums[v][u] += weights * load<F>(x[v] + at + u * N);
    }
  }

  // Fewer than kStep values, copied beside zeros.
  template <typename From, int X>
  static void add_rest(const typename From::Element* w, const float* const (&x)[X], int64_t at,
                       int64_t k, F (&sums)[X][4]) {
    typename From::Element w_rest[kStep] = {};
    float x_rest[X][kStep] = {};
    const float* x_row[X];
    const auto n = static_cast<size_t>(k - at);
    __builtin_memcpy(w_rest, w + at, n * sizeof(w_rest[0]));
    for (int v = 0; v < X; ++v) {
      __builtin_memcpy(x_rest[v], x[v] + at, n * sizeof(float));
      x_row[v] = x_rest[v];
    }
    add<From, X>(w_rest, x_row, 0, sums);
  }
};

}  // namespace
}  // namespace restkv::kernels
