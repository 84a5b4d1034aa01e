// Vectors rounded for the products with quantised weights, eight floats at a time; see simd.h for
// the rules. An Order arranges the integers of a block for the products.
#pragma once

#include <immintrin.h>

#include "kernels/quant_matvec.h"
#include "kernels/simd.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

using F8 = Simd<8>::F;
using I8 = Simd<8>::I;

// The first n of eight floats, then zeros.
[[gnu::always_inline]] inline F8 load_some(const float* p, int64_t n) {
  if (n >= 8) return load<F8>(p);
  const I8 lane = {0, 1, 2, 3, 4, 5, 6, 7};
  const I8 mask = lane < static_cast<int32_t>(n);
  return (F8)_mm256_maskload_ps(p, (__m256i)mask);
}

// e^x within 2 units in the last place; x is bounded to where the result is a normal number.
[[gnu::always_inline]] inline F8 exp_bounded(F8 x) {
  x = (F8)_mm256_max_ps(_mm256_set1_ps(-87.0f), _mm256_min_ps(_mm256_set1_ps(88.0f), (__m256)x));
  const F8 magic = F8{} + 12582912.0f;  // adding it rounds to an integer
  const F8 shifted = x * 1.44269504f + magic;
  const F8 n = shifted - magic;
  const F8 r = x - n * 0.693359375f - n * -2.12194440e-4f;
  F8 p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  return (F8)(((Simd<8>::U)shifted << 23) + (Simd<8>::U)p);
}

// Eight values from `i` on, of which n are inside the vector.

struct PlainValues {
  const float* x;
  F8 at(int64_t i, int64_t n) const { return load_some(x + i, n); }
};

struct NormValues {
  const float* x;
  const float* weight;
  float scale;
  F8 at(int64_t i, int64_t n) const {
    return load_some(x + i, n) * scale * load_some(weight + i, n);
  }
};

struct SiluValues {
  const float* gate;
  const float* up;
  F8 at(int64_t i, int64_t n) const {
    const F8 g = load_some(gate + i, n);
    return g / (1.0f + exp_bounded(-g)) * load_some(up + i, n);
  }
};

// 0.5 g (1 + tanh(u)) = g / (1 + e^(-2 u)).
struct GeluValues {
  const float* gate;
  const float* up;
  F8 at(int64_t i, int64_t n) const {
    const F8 g = load_some(gate + i, n);
    const F8 u = 0.79788456080286535588f * g * (1.0f + 0.044715f * g * g);
    return g / (1.0f + exp_bounded(-2.0f * u)) * load_some(up + i, n);
  }
};

[[gnu::always_inline]] inline NormValues normalised(const float* x, const float* weight, float eps,
                                                    int64_t k) {
  F8 squares[4] = {};
  int64_t i = 0;
  for (; i + 32 <= k; i += 32) {
    for (int j = 0; j < 4; ++j) {
      const F8 v = load<F8>(x + i + 8 * j);
      squares[j] += v * v;
    }
  }
  for (; i < k; i += 8) {
    const F8 v = load_some(x + i, k - i);
    squares[0] += v * v;
  }
  const F8 total = (squares[0] + squares[1]) + (squares[2] + squares[3]);
  const float mean = lane_sum(total) / static_cast<float>(k);
  const __m128 root = _mm_sqrt_ss(_mm_set_ss(mean + eps));
  return {x, weight, 1.0f / _mm_cvtss_f32(root)};
}

class Elementwise {
 public:
  static void rms_norm(const float* x, const float* weight, float eps, int64_t k, float* out) {
    write(normalised(x, weight, eps, k), k, out);
  }
  static void silu_mul(const float* gate, const float* up, int64_t k, float* out) {
    write(SiluValues{gate, up}, k, out);
  }
  static void gelu_mul(const float* gate, const float* up, int64_t k, float* out) {
    write(GeluValues{gate, up}, k, out);
  }

 private:
  template <typename Values>
  static void write(const Values& values, int64_t k, float* out) {
    int64_t i = 0;
    for (; i + 8 <= k; i += 8)
      store(out + i, values.at(i, 8));
    if (i == k) return;
    const F8 rest = values.at(i, k - i);
    for (int64_t j = 0; j < k - i; ++j)
      out[i + j] = rest[j];
  }
};

template <typename Order>
class Quantizer {
 public:
  static void plain(const float* x, int64_t k, Activations* out) { blocks(PlainValues{x}, k, out); }
  static void rms_norm(const float* x, const float* weight, float eps, int64_t k,
                       Activations* out) {
    blocks(normalised(x, weight, eps, k), k, out);
  }
  static void silu_mul(const float* gate, const float* up, int64_t k, Activations* out) {
    blocks(SiluValues{gate, up}, k, out);
  }
  static void gelu_mul(const float* gate, const float* up, int64_t k, Activations* out) {
    blocks(GeluValues{gate, up}, k, out);
  }

 private:
  template <typename Values>
  static void blocks(const Values& values, int64_t k, Activations* out) {
    alignas(32) float block[256];
    for (int64_t i = 0; i < k; i += 256, ++out) {
      const int64_t n = k - i < 256 ? k - i : 256;
      for (int64_t j = 0; j < 256; j += 8)
        store(block + j, j < n ? values.at(i + j, n - j) : F8{});
      round_block(block, out);
      Order::arrange(out->q);
    }
  }

  // Where all is below 1e-35 the group counts as zero: 127 / largest must be finite.
  static void round_block(const float* block, Activations* out) {
    const __m256 largest = group_maxima(block);
    const __m256 zero = _mm256_cmp_ps(largest, _mm256_set1_ps(1e-35f), _CMP_LT_OQ);
    const __m256 scale = _mm256_andnot_ps(zero, largest / _mm256_set1_ps(127.0f));
    alignas(32) float inverse[8];
    _mm256_store_ps(inverse, _mm256_andnot_ps(zero, _mm256_set1_ps(127.0f) / largest));
    _mm256_store_ps(out->scale, scale);
    for (int g = 0; g < 8; ++g) {
      const __m256i q = round_group(block + 32 * g, _mm256_set1_ps(inverse[g]));
      _mm256_store_si256(reinterpret_cast<__m256i*>(out->q + 32 * g), q);
    }
    add_up(out);
    const auto zeros = _mm256_setzero_si256();
    _mm256_store_si256(reinterpret_cast<__m256i*>(out->unused), zeros);
  }

  // The largest magnitude of each of the eight groups. Compared as integers, a NaN is the largest.
  static __m256 group_maxima(const float* block) {
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i m[8];
    for (int g = 0; g < 8; ++g) {
      const auto* p = reinterpret_cast<const __m256i*>(block + 32 * g);
      m[g] = _mm256_and_si256(_mm256_load_si256(p), magnitude);
      for (int j = 1; j < 4; ++j)
        m[g] = _mm256_max_epi32(m[g], _mm256_and_si256(_mm256_load_si256(p + j), magnitude));
    }
    __m256i four[2];
    for (int h = 0; h < 2; ++h) {
      const __m256i a = max_pairs(m[4 * h], m[4 * h + 1]);
      const __m256i b = max_pairs(m[4 * h + 2], m[4 * h + 3]);
      four[h] = _mm256_max_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    }
    return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_permute2x128_si256(four[0], four[1], 0x20),
                                                _mm256_permute2x128_si256(four[0], four[1], 0x31)));
  }

  static __m256i max_pairs(__m256i a, __m256i b) {
    return _mm256_max_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
  }

  static __m256i round_group(const float* v, __m256 inverse) {
    __m256i q[4];
    for (int j = 0; j < 4; ++j)
      q[j] = _mm256_cvtps_epi32(_mm256_load_ps(v + 8 * j) * inverse);
    const __m256i packed =
        _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
    return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  }

  // The sums over 16 and over 32.
  static void add_up(Activations* out) {
    __m256i four[2];  // first halves of four groups, then their second halves
    for (int h = 0; h < 2; ++h) {
      const auto* q = reinterpret_cast<const __m256i*>(out->q + 128 * h);
      const __m256i a = _mm256_hadd_epi32(sum_fours(q[0]), sum_fours(q[1]));
      const __m256i b = _mm256_hadd_epi32(sum_fours(q[2]), sum_fours(q[3]));
      four[h] = _mm256_hadd_epi32(a, b);
    }
    const __m256i first = _mm256_permute2x128_si256(four[0], four[1], 0x20);
    const __m256i second = _mm256_permute2x128_si256(four[0], four[1], 0x31);
    const __m256i halves = _mm256_blend_epi16(first, _mm256_slli_epi32(second, 16), 0xaa);
    _mm256_store_si256(reinterpret_cast<__m256i*>(out->half_sum), halves);
    const __m256 sums = _mm256_cvtepi32_ps(_mm256_add_epi32(first, second));
    _mm256_store_ps(out->sum, _mm256_load_ps(out->scale) * sums);
  }

  static __m256i sum_fours(__m256i q) {
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), q);
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  }
};

}  // namespace
}  // namespace restkv::kernels
