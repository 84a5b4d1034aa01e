// Products by vpdpbusd. Weights are its unsigned operand: what they are too large by is taken off
// with the sums of the vectors' groups.
#include "kernels/float_matvec_simd.h"
#include "kernels/quant_matvec_vnni_k.h"
#include "kernels/quantize_simd.h"

namespace restkv::kernels {
namespace {

// X vectors of rounded values.
template <int X>
struct Vectors {
  const Activations* x[X];
};

[[gnu::always_inline]] inline __m512i dot(const Run& run, const Activations& x, int half) {
  const __m512i low = _mm512_load_si512(x.q + 128 * half);
  const __m512i high = _mm512_load_si512(x.q + 128 * half + 64);
  return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(_mm512_setzero_si512(), run.low, low), run.high,
                             high);
}

// Four lanes of each to which the sum of all lanes is left.
[[gnu::always_inline]] inline __m128 fold(__m512 v) {
  const __m256 half = _mm512_castps512_ps256(v) + _mm512_extractf32x8_ps(v, 1);
  return _mm256_castps256_ps128(half) + _mm256_extractf128_ps(half, 1);
}

// The sums of the lanes of each of four.
[[gnu::always_inline]] inline __m128 lane_sums(const __m128 (&v)[4]) {
  return _mm_hadd_ps(_mm_hadd_ps(v[0], v[1]), _mm_hadd_ps(v[2], v[3]));
}

// A kind of block has multiply(): for each vector four lanes, whose sum is the product with a row.

// Types with blocks of 32.
template <typename Block>
struct Blocks32 {
  using Four = FourBlocks<Block>;

  template <int X>
  static inline void multiply(const uint8_t* row, const Vectors<X>& in, int64_t k,
                              __m128 (&out)[X]) {
    __m512 products[X] = {};
    __m128 offsets[X] = {};
    int64_t i = 0;
    for (; i < k / 256; ++i, row += 2 * Four::kBytes) {
      add<0>(in, i, Four(row), products, offsets);
      add<1>(in, i, Four(row + Four::kBytes), products, offsets);
    }
    const int n_byte = static_cast<int>(k % 256 / 32) * int{sizeof(Block)};
    if (n_byte >= Four::kBytes) {
      add<0>(in, i, Four(row), products, offsets);
      if (n_byte > Four::kBytes)
        add<1>(in, i, Four(row + Four::kBytes, n_byte - Four::kBytes), products, offsets);
    } else if (n_byte > 0) {
      add<0>(in, i, Four(row, n_byte), products, offsets);
    }
    for (int v = 0; v < X; ++v)
      out[v] = fold(products[v]) + Four::kSumFactor * offsets[v];
  }

 private:
  // Half kHalf of block i.
  template <int kHalf, int X>
  [[gnu::always_inline]] static inline void add(const Vectors<X>& in, int64_t i, const Four& four,
                                                __m512 (&products)[X], __m128 (&offsets)[X]) {
#pragma GCC unroll 4
    for (int v = 0; v < X; ++v) {
      const Activations& x = in.x[v][i];
      const __m128 scale = four.scale * _mm_load_ps(x.scale + 4 * kHalf);
      const __m512 dots = _mm512_cvtepi32_ps(dot(four.run, x, kHalf));
      products[v] += _mm512_broadcast_f32x4(scale) * dots;
      offsets[v] += four.offset * _mm_load_ps(x.sum + 4 * kHalf);
    }
  }
};

// Q4_K and Q5_K.
template <typename Block>
struct BlocksGrouped {
  template <int X>
  static inline void multiply(const uint8_t* row, const Vectors<X>& in, int64_t k,
                              __m128 (&out)[X]) {
    __m512 products[X] = {};
    __m512 offsets[X] = {};  // the upper eight lanes
    const auto* block = reinterpret_cast<const Block*>(row);
    for (int64_t i = 0; i < k / 256; ++i, ++block) {
      const Grouped<Block> w(*block);
#pragma GCC unroll 4
      for (int v = 0; v < X; ++v) {
        const Activations& x = in.x[v][i];
        const __m512 factors = w.factors * _mm512_load_ps(x.scale);  // and x.sum behind it
        const __m512 first = _mm512_shuffle_f32x4(factors, factors, 0x00);
        const __m512 second = _mm512_shuffle_f32x4(factors, factors, 0x55);
        products[v] += first * _mm512_cvtepi32_ps(dot(w.run[0], x, 0));
        products[v] += second * _mm512_cvtepi32_ps(dot(w.run[1], x, 1));
        offsets[v] += factors;
      }
    }
    for (int v = 0; v < X; ++v) {
      out[v] = fold(products[v] - _mm512_maskz_mov_ps(0xff00, offsets[v]));
    }
  }
};

struct BlocksQ6K {
  template <int X>
  static inline void multiply(const uint8_t* row, const Vectors<X>& in, int64_t k,
                              __m128 (&out)[X]) {
    __m512 products[X] = {};
    __m256 offsets[X] = {};
    const auto* block = reinterpret_cast<const BlockQ6K*>(row);
    for (int64_t i = 0; i < k / 256; ++i, ++block) {
      const Runs w(*block);
#pragma GCC unroll 4
      for (int v = 0; v < X; ++v) {
        const Activations& x = in.x[v][i];
        const __m256 factors = _mm256_set1_ps(w.d) * _mm256_load_ps(x.scale);
        const __m512 first = _mm512_broadcast_f32x4(_mm256_castps256_ps128(factors));
        const __m512 second = _mm512_broadcast_f32x4(_mm256_extractf128_ps(factors, 1));
        products[v] += first * scaled_dot(w, x, 0);
        products[v] += second * scaled_dot(w, x, 1);
        const __m256i sums = _mm256_load_si256(reinterpret_cast<const __m256i*>(x.half_sum));
        offsets[v] += factors * _mm256_cvtepi32_ps(_mm256_madd_epi16(w.scales, sums));
      }
    }
    for (int v = 0; v < X; ++v) {
      const __m128 offset =
          _mm256_castps256_ps128(offsets[v]) + _mm256_extractf128_ps(offsets[v], 1);
      out[v] = fold(products[v]) - 32.0f * offset;
    }
  }

 private:
  // A sum of four products has at most 4 * 63 * 127 = 32004: the two of a group fit a dword's
  // halves, to be scaled and added by one instruction.
  [[gnu::always_inline]] static inline __m512 scaled_dot(const Runs& w, const Activations& x,
                                                         int half) {
    const __m512i zero = _mm512_setzero_si512();
    const int8_t* q = x.q + 128 * half;
    const __m512i low = _mm512_dpbusd_epi32(zero, w.run[half].low, _mm512_load_si512(q));
    const __m512i high = _mm512_dpbusd_epi32(zero, w.run[half].high, _mm512_load_si512(q + 64));
    const __m512i both = _mm512_mask_blend_epi16(0xaaaaaaaa, low, _mm512_slli_epi32(high, 16));
    const __m128i scales =
        half == 0 ? _mm256_castsi256_si128(w.scales) : _mm256_extracti128_si256(w.scales, 1);
    return _mm512_cvtepi32_ps(_mm512_madd_epi16(both, _mm512_broadcast_i32x4(scales)));
  }
};

[[gnu::always_inline]] inline const uint8_t* row_data(const MatvecArgs& args, int64_t row) {
  return static_cast<const uint8_t*>(args.weights.data) + row * args.weights.row_bytes;
}

template <typename Kind, int X>
void one_row(const MatvecArgs& args, int64_t row, int64_t first_vector) {
  const int64_t n_block = (args.weights.k + 255) / 256;
  Vectors<X> in;
  for (int v = 0; v < X; ++v)
    in.x[v] = args.activations + (first_vector + v) * n_block;
  __m128 lanes[X];
  Kind::template multiply<X>(row_data(args, row), in, args.weights.k, lanes);
  for (int v = 0; v < X; ++v) {
    const __m128 pair = _mm_hadd_ps(lanes[v], lanes[v]);
    finish_row(args, row, first_vector + v, pair[0] + pair[1]);
  }
}

// Of one vector: short rows would spend much of their time on the sum of their lanes.
template <typename Kind>
void four_rows(const MatvecArgs& args, int64_t row) {
  const Vectors<1> in = {{args.activations}};
  __m128 lanes[4];
  for (int r = 0; r < 4; ++r) {
    __m128 one[1];
    Kind::template multiply<1>(row_data(args, row + r), in, args.weights.k, one);
    lanes[r] = one[0];
  }
  __m128 sums = lane_sums(lanes);
  if (args.bias != nullptr) sums += _mm_loadu_ps(args.bias + row);
  if (args.residual != nullptr) sums += _mm_loadu_ps(args.residual + row);
  _mm_storeu_ps(args.out + row, sums);
}

// Rows one by one: a single stream of addresses is what a core reads fastest, and prefetching by
// hand only gets in the way of the hardware's.
template <typename Kind>
void quantised_rows(const MatvecArgs& args, int64_t first, int64_t n_row) {
  int64_t row = first;
  if (args.n_vector == 1) {
    for (; row + 4 <= first + n_row; row += 4)
      four_rows<Kind>(args, row);
  }
  for (; row < first + n_row; ++row) {
    int64_t v = 0;
    for (; v + 4 <= args.n_vector; v += 4)
      one_row<Kind, 4>(args, row, v);
    for (; v + 2 <= args.n_vector; v += 2)
      one_row<Kind, 2>(args, row, v);
    if (v < args.n_vector) one_row<Kind, 1>(args, row, v);
  }
}

void rows(const MatvecArgs& args, int64_t first, int64_t n_row) {
  switch (args.weights.type) {
    case WeightType::f32:
    case WeightType::f16:
    case WeightType::bf16:
      return FloatRows<16>::rows(args, first, n_row);
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

// The integers of a block in the order of the runs.
struct RunOrder {
  static void arrange(int8_t* q) {
    for (int half = 0; half < 2; ++half, q += 128) {
      const Run run =
          permute(_mm512_load_si512(q), kPlainLow, kPlainHigh, _mm512_load_si512(q + 64));
      _mm512_store_si512(q, run.low);
      _mm512_store_si512(q + 64, run.high);
    }
  }
};

using Quantize = Quantizer<RunOrder>;

}  // namespace

const MatvecKernels kMatvecAvx512Bf16 = {rows,
                                         Quantize::plain,
                                         Quantize::rms_norm,
                                         Quantize::silu_mul,
                                         Quantize::gelu_mul,
                                         Elementwise::rms_norm,
                                         Elementwise::silu_mul,
                                         Elementwise::gelu_mul};

}  // namespace restkv::kernels
