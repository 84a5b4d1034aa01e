// Products by maddubs, a block of 32 at a time.
#include "kernels/float_matvec_simd.h"
#include "kernels/quant_simd.h"
#include "kernels/quantize_simd.h"

namespace restkv::kernels {
namespace {

[[gnu::always_inline]] inline __m256i load_group(const Activations& x, int g) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(x.q + 32 * g));
}

// Eight sums of four products; q is not negative and below 128.
[[gnu::always_inline]] inline __m256i dot_unsigned(__m256i q, __m256i x) {
  return _mm256_madd_epi16(_mm256_maddubs_epi16(q, x), _mm256_set1_epi16(1));
}

// The same for any q: |q| <= 128 times a value that has taken its sign.
[[gnu::always_inline]] inline __m256i dot_signed(__m256i q, __m256i x) {
  return dot_unsigned(_mm256_abs_epi8(q), _mm256_sign_epi8(x, q));
}

[[gnu::always_inline]] inline F8 to_floats(__m256i v) {
  return (F8)_mm256_cvtepi32_ps(v);
}

// What a row adds up for each of X vectors: lanes to be summed, and one number.
template <int X>
struct Sums {
  F8 products[X] = {};
  float offsets[X] = {};
};

template <typename Block>
struct Blocks32 {
  template <int X>
  static inline void multiply(const uint8_t* row, const Activations* const (&x)[X], int64_t k,
                              Sums<X>& sums) {
    const auto* block = reinterpret_cast<const Block*>(row);
    for (int64_t i = 0; i < k / 32; ++i, ++block) {
      const __m256i q = integers<8>(*block);
      const float d = _cvtsh_ss(block->d);
      const int g = static_cast<int>(i % 8);
#pragma GCC unroll 4
      for (int v = 0; v < X; ++v) {
        const Activations& a = x[v][i / 8];
        sums.products[v] += (d * a.scale[g]) * to_floats(dot_signed(q, load_group(a, g)));
        if constexpr (requires { block->m; }) sums.offsets[v] += _cvtsh_ss(block->m) * a.sum[g];
      }
    }
  }
};

template <typename Body, int... I>
[[gnu::always_inline]] inline void each(Body body, std::integer_sequence<int, I...>) {
  (body.template operator()<I>(), ...);
}

template <typename Block>
struct BlocksGrouped {
  template <int X>
  static inline void multiply(const uint8_t* row, const Activations* const (&x)[X], int64_t k,
                              Sums<X>& sums) {
    const auto* block = reinterpret_cast<const Block*>(row);
    for (int64_t i = 0; i < k / 256; ++i, ++block) {
      const __m128i bytes = unpack_scales(block->scales);
      const F8 d = to_floats(_mm256_cvtepu8_epi32(bytes)) * _cvtsh_ss(block->d);
      const F8 m =
          to_floats(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8))) * _cvtsh_ss(block->min);
      F8 factors[X];
      for (int v = 0; v < X; ++v) {
        factors[v] = d * load<F8>(x[v][i].scale);
        sums.offsets[v] -= lane_sum(m * load<F8>(x[v][i].sum));
      }
      each(
          [&]<int kGroup>() {
            const __m256i q = group_integers<kGroup>(*block);
#pragma GCC unroll 4
            for (int v = 0; v < X; ++v) {
              const __m256i x_group = load_group(x[v][i], kGroup);
              sums.products[v] += factors[v][kGroup] * to_floats(dot_unsigned(q, x_group));
            }
          },
          std::make_integer_sequence<int, 8>());
    }
  }
};

struct BlocksQ6K {
  template <int X>
  static inline void multiply(const uint8_t* row, const Activations* const (&x)[X], int64_t k,
                              Sums<X>& sums) {
    const auto* block = reinterpret_cast<const BlockQ6K*>(row);
    for (int64_t i = 0; i < k / 256; ++i, ++block) {
      const __m256i scales = _mm256_cvtepi8_epi16(load_16(block->scales));
      F8 factors[X];
      for (int v = 0; v < X; ++v) {
        factors[v] = _cvtsh_ss(block->d) * load<F8>(x[v][i].scale);
        const __m256i offset = _mm256_madd_epi16(scales, load_32(x[v][i].half_sum));
        sums.offsets[v] -= 32.0f * lane_sum(factors[v] * to_floats(offset));
      }
      each(
          [&]<int kRun>() {
            const __m256i q = run_integers<kRun>(*block);
            const __m256i low = _mm256_set1_epi16(block->scales[2 * kRun]);
            const __m256i both =
                _mm256_inserti128_si256(low, _mm_set1_epi16(block->scales[2 * kRun + 1]), 1);
#pragma GCC unroll 4
            for (int v = 0; v < X; ++v) {
              const __m256i pairs = _mm256_maddubs_epi16(q, load_group(x[v][i], kRun));
              sums.products[v] += factors[v][kRun] * to_floats(_mm256_madd_epi16(pairs, both));
            }
          },
          std::make_integer_sequence<int, 8>());
    }
  }
};

template <typename Kind, int X>
void one_row(const MatvecArgs& args, int64_t row, int64_t first_x) {
  const int64_t n_block = (args.weights.k + 255) / 256;
  const Activations* x[X];
  for (int v = 0; v < X; ++v)
    x[v] = args.activations + (first_x + v) * n_block;
  const auto* data = static_cast<const uint8_t*>(args.weights.data);
  Sums<X> sums;
  Kind::template multiply<X>(data + row * args.weights.row_bytes, x, args.weights.k, sums);
  for (int v = 0; v < X; ++v)
    finish_row(args, row, first_x + v, lane_sum(sums.products[v]) + sums.offsets[v]);
}

template <typename Kind>
void quantised_rows(const MatvecArgs& args, int64_t first, int64_t n_row) {
  for (int64_t row = first; row < first + n_row; ++row) {
    int64_t x = 0;
    for (; x + 4 <= args.n_vector; x += 4)
      one_row<Kind, 4>(args, row, x);
    for (; x < args.n_vector; ++x)
      one_row<Kind, 1>(args, row, x);
  }
}

void rows(const MatvecArgs& args, int64_t first, int64_t n_row) {
  switch (args.weights.type) {
    case WeightType::f32:
    case WeightType::f16:
    case WeightType::bf16:
      return FloatRows<8>::rows(args, first, n_row);
    case WeightType::q4_0:
      return quantised_rows<Blocks32<BlockQ40>>(args, first, n_row);
    case WeightType::q4_1:
      return quantised_rows<Blocks32<BlockQ41>>(args, first, n_row);
    case WeightType::q5_0:
      return quantised_rows<Blocks32<BlockQ50>>(args, first, n_row);
    case WeightType::q5_1:
      return quantised_rows<Blocks32<BlockQ51>>(args, first, n_row);
    case WeightType::q8_0:
      return quantised_rows<Blocks32<BlockQ80>>(args, first, n_row);
    case WeightType::q4_k:
      return quantised_rows<BlocksGrouped<BlockQ4K>>(args, first, n_row);
    case WeightType::q5_k:
      return quantised_rows<BlocksGrouped<BlockQ5K>>(args, first, n_row);
    case WeightType::q6_k:
      return quantised_rows<BlocksQ6K>(args, first, n_row);
  }
}

struct PlainOrder {
  static void arrange(int8_t*) {}
};

using Quantize = Quantizer<PlainOrder>;

}  // namespace

const MatvecKernels kMatvecAvx2 = {rows,
                                   Quantize::plain,
                                   Quantize::rms_norm,
                                   Quantize::silu_mul,
                                   Quantize::gelu_mul,
                                   Elementwise::rms_norm,
                                   Elementwise::silu_mul,
                                   Elementwise::gelu_mul};

}  // namespace restkv::kernels
