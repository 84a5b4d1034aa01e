// The layer-row kernels for a register of N floats; see simd.h for the rules.
#pragma once

#include "kernels/layer_rows.h"
#include "kernels/simd.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

template <int N>
class LayerRows {
  using F = typename Simd<N>::F;
  using I = typename Simd<N>::I;
  using U = typename Simd<N>::U;
  using H = typename Simd<N>::W;

 public:
  static void rms_norm(Row x, const float* weight, float eps, int64_t n, uint16_t* out) {
    const float scale = 1.0f / __builtin_sqrtf(mean_square(x, n) + eps);
    each(n, [&](int64_t i, auto&& tail) {
      tail.store_bf16(out + i, tail.row(x, i) * scale * tail.floats(weight + i));
    });
  }

  static void gate(const float* gate, const float* gate_bias, const float* up, const float* up_bias,
                   Activation activation, int64_t n, uint16_t* out) {
    each(n, [&](int64_t i, auto&& tail) {
      F g = tail.floats(gate + i), u = tail.floats(up + i);
      if (gate_bias != nullptr) g += tail.floats(gate_bias + i);
      if (up_bias != nullptr) u += tail.floats(up_bias + i);
      tail.store_bf16(out + i, activate(activation, g) * u);
    });
  }

  static void add(const float* x, const float* bias, Row residual, int64_t n, float* out) {
    const bool has_residual = residual.f32 != nullptr || residual.bf16 != nullptr;
    each(n, [&](int64_t i, auto&& tail) {
      F sum = tail.floats(x + i);
      if (bias != nullptr) sum += tail.floats(bias + i);
      if (has_residual) sum += tail.row(residual, i);
      tail.store(out + i, sum);
    });
  }

 private:
  // Loads and stores of a whole register, or of its first `count` lanes.
  struct Whole {
    F floats(const float* p) const { return load<F>(p); }
    F row(const Row& r, int64_t i) const {
      return r.f32 != nullptr ? load<F>(r.f32 + i) : widen(load<H>(r.bf16 + i));
    }
    void store(float* p, F x) const { kernels::store(p, x); }
    void store_bf16(uint16_t* p, F x) const { kernels::store(p, narrow(x)); }
  };
  struct Part {
    int64_t count;
    F floats(const float* p) const {
      F v{};
      __builtin_memcpy(&v, p, count * sizeof(float));
      return v;
    }
    F row(const Row& r, int64_t i) const {
      if (r.f32 != nullptr) return floats(r.f32 + i);
      H h{};
      __builtin_memcpy(&h, r.bf16 + i, count * sizeof(uint16_t));
      return widen(h);
    }
    void store(float* p, F x) const { __builtin_memcpy(p, &x, count * sizeof(float)); }
    void store_bf16(uint16_t* p, F x) const {
      const H h = narrow(x);
      __builtin_memcpy(p, &h, count * sizeof(uint16_t));
    }
  };

  template <typename Step>
  [[gnu::always_inline]] static inline void each(int64_t n, const Step& step) {
    int64_t i = 0;
    for (; i + N <= n; i += N)
      step(i, Whole{});
    if (i < n) step(i, Part{n - i});
  }

  [[gnu::always_inline]] static inline F widen(H h) {
    return (F)(__builtin_convertvector(h, U) << 16);
  }

  [[gnu::always_inline]] static inline H narrow(F x) {
    const U bits = (U)x;
    const U rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const U quiet = U{} + 0x7fc0u;
    return __builtin_convertvector(x == x ? rounded : quiet, H);  // NOLINT: NaN stays NaN
  }

  static float mean_square(const Row& x, int64_t n) {
    F sums[4] = {};
    int64_t i = 0;
    for (; i + 4 * N <= n; i += 4 * N) {
      for (int k = 0; k < 4; ++k) {
        const F v = Whole{}.row(x, i + k * N);
        sums[k] += v * v;
      }
    }
    for (; i < n; i += N) {
      const F v = i + N <= n ? Whole{}.row(x, i) : Part{n - i}.row(x, i);
      sums[0] += v * v;
    }
    return lane_sum((sums[0] + sums[1]) + (sums[2] + sums[3])) / static_cast<float>(n);
  }

  // e^x; x is taken into [-87, 88], where the result is an ordinary float.
  [[gnu::always_inline]] static inline F exponential(F x) {
    const F least = F{} - 87.0f, most = F{} + 88.0f;
    x = x < least ? least : x;
    x = x > most ? most : x;            // a NaN passes both
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
    return (F)(((U)shifted << 23) + (U)p);
  }

  [[gnu::always_inline]] static inline F activate(Activation activation, F x) {
    const F inner = activation == Activation::silu
                        ? x
                        : 1.59576912f * x * (1.0f + 0.044715f * x * x);  // 2 sqrt(2 / pi)
    // 0.5 (1 + tanh(y)) is the logistic function of 2 y.
    return x / (1.0f + exponential(-inner));
  }
};

}  // namespace
}  // namespace restkv::kernels
