// The decode kernels for a register of N floats; see simd.h for the rules.
#pragma once

#include "kernels/decode_attention.h"
#include "kernels/decode_rows_simd.h"
#include "kernels/turn_simd.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

template <int N>
class DecodeAttention {
  using F = typename Simd<N>::F;
  using I = typename Simd<N>::I;
  using U = typename Simd<N>::U;
  static constexpr int kVec = Chunk<N>::kVec;
  static constexpr int64_t kBlock = kDecodeBlock;
  // Query heads that share a row in registers, in dot products and in sums of values; what is left
  // of 32 or 16 registers holds the row.
  static constexpr int kDotQueries = N == 16 ? 4 : 2;
  static constexpr int kSumQueries = N == 16 ? 8 : 2;

  // The part with its scratch cut up.
  struct Work {
    const DecodePart& part;
    int64_t padded;  // head_dim in whole chunks
    float* queries;  // [n_query][padded], times scale and log2(e)
    float* sums;     // [n_query][padded]
    float* keys;     // [kBlock][padded], where keys turn
    float* weights;  // [n_query][kBlock]
    float* factors;  // [n_query] of what the sums hold already
  };
  // The block of entries at hand.
  struct Block {
    const std::byte* rows;
    size_t row_bytes;
    int64_t n;
  };

 public:
  static void attend(const DecodePart& part) {
    if (part.type == RowType::f16) return run(part, HalfRows<N>{part.head_dim % kChunk});
    if (part.type == RowType::q8_0) return run(part, Q8Rows<N>());
    run(part, Q4Rows<N>());
  }

 private:
  template <typename Rows>
  static void run(const DecodePart& part, const Rows& rows) {
    const Work work = prepare(part);
    for (int64_t first = 0; first < part.n_entry; first += kBlock) {
      const int64_t left = part.n_entry - first, n = left < kBlock ? left : kBlock;
      const Block keys{part.keys + first * part.row_bytes, part.row_bytes, n};
      const Block values{part.values + first * part.row_bytes, part.row_bytes, n};
      if (part.turns.cos_sin == nullptr) {
        multiply_keys(work, rows, keys);
      } else {
        turn_keys(work, rows, keys, first);
        multiply_keys(
            work, FloatRows<N>(),
            {reinterpret_cast<const std::byte*>(work.keys), work.padded * sizeof(float), n});
      }
      for (int64_t q = 0; q < part.n_query; ++q)
        weigh(work, q, n);
      add_values(work, rows, values);
    }
    for (int64_t q = 0; q < part.n_query; ++q) {
      for (int64_t c = 0; c < part.head_dim; ++c)
        part.sums[q * part.head_dim + c] = work.sums[q * work.padded + c];
    }
  }

  static Work prepare(const DecodePart& part) {
    constexpr float kLog2E = 1.44269504f;
    const int64_t d = part.head_dim, n = part.n_query, padded = (d + kChunk - 1) / kChunk * kChunk;
    // A row that spans two cache lines costs two loads.
    auto* base = reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(part.scratch) + 63) &
                                          ~static_cast<uintptr_t>(63));
    float* keys = base + 2 * n * padded;
    float* weights = keys + kBlock * padded;
    const Work work{part, padded, base, base + n * padded, keys, weights, weights + n * kBlock};
    for (int64_t q = 0; q < n; ++q) {
      for (int64_t c = 0; c < padded; ++c) {
        work.queries[q * padded + c] =
            c < d ? part.queries[q * d + c] * (part.scale * kLog2E) : 0.0f;
        work.sums[q * padded + c] = 0.0f;
      }
      part.tops[q] = -__builtin_inff();
      part.totals[q] = 0.0f;
    }
    return work;
  }

  // Calls use(c, load) for every chunk c of a row; load(row, out) reads that chunk.
  template <typename Rows, typename Use>
  [[gnu::always_inline]] static inline void each_chunk(const Work& work, const Rows& rows,
                                                       const Use& use) {
    const int64_t n_whole = work.part.head_dim / kChunk;
    for (int64_t c = 0; c < n_whole; ++c) {
      use(
          c, [&](const std::byte* row, Chunk<N>* out)
                 __attribute__((always_inline)) { rows.load(row, c, out); });
    }
    if constexpr (Rows::kEndsAnywhere) {
      if (n_whole * kChunk == work.padded) return;
      use(
          n_whole, [&](const std::byte* row, Chunk<N>* out)
                       __attribute__((always_inline)) { rows.load_tail(row, n_whole, out); });
    }
  }

  template <typename Rows>
  static void turn_keys(const Work& work, const Rows& rows, const Block& keys, int64_t first) {
    const Turns& turns = work.part.turns;
    for (int64_t r = 0; r < keys.n; ++r) {
      const std::byte* row = keys.rows + r * keys.row_bytes;
      float* out = work.keys + r * work.padded;
      each_chunk(
          work, rows, [&](int64_t c, const auto& load) __attribute__((always_inline)) {
            Chunk<N> chunk;
            load(row, &chunk);
            for (int i = 0; i < kVec; ++i)
              store(out + c * kChunk + i * N, chunk.v[i]);
          });
      turn_row<N>(turns, turns.cos_sin + (first + r) * turns.n_rot, out);
    }
  }

  // weights = queries times keys.
  template <typename Rows>
  static void multiply_keys(const Work& work, const Rows& rows, const Block& keys) {
    int64_t left = work.part.n_query;
    for (int64_t q = 0; left > 0;) {
      // Groups of nearly one size: 9 as 3 + 3 + 3.
      const int64_t n_group = (left + kDotQueries - 1) / kDotQueries;
      const int64_t n = (left + n_group - 1) / n_group;
      if (n == 1) dot_products<1>(work, rows, keys, q);
      if (n == 2) dot_products<2>(work, rows, keys, q);
      if constexpr (kDotQueries > 2) {
        if (n == 3) dot_products<3>(work, rows, keys, q);
        if (n == 4) dot_products<4>(work, rows, keys, q);
      }
      q += n;
      left -= n;
    }
  }

  // Four rows at a time; what is left over repeats the last row.
  template <int G, typename Rows>
  static void dot_products(const Work& work, const Rows& rows, const Block& keys, int64_t q) {
    for (int64_t r = 0; r < keys.n; r += 4) {
      const std::byte* row[4];
      for (int64_t i = 0; i < 4; ++i)
        row[i] = keys.rows + (r + i < keys.n ? r + i : keys.n - 1) * keys.row_bytes;
      F acc[G][4] = {};
      each_chunk(
          work, rows, [&](int64_t c, const auto& load) __attribute__((always_inline)) {
            const float* queries = work.queries + q * work.padded + c * kChunk;
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i) {
              Chunk<N> key;
              load(row[i], &key);
#pragma GCC unroll 4
              for (int g = 0; g < G; ++g) {
#pragma GCC unroll 4
                for (int v = 0; v < kVec; ++v)
                  acc[g][i] += key.v[v] * kernels::load<F>(queries + g * work.padded + v * N);
              }
            }
          });
#pragma GCC unroll 4
      for (int g = 0; g < G; ++g)
        _mm_storeu_ps(work.weights + (q + g) * kBlock + r, lane_sums(acc[g]));
    }
  }

  // The sums over the lanes of four registers.
  [[gnu::always_inline]] static inline __m128 lane_sums(const F (&a)[4]) {
    __m256 s[4];
    for (int i = 0; i < 4; ++i) {
      if constexpr (N == 16) {
        s[i] = (__m256)__builtin_shufflevector(a[i], a[i], 0, 1, 2, 3, 4, 5, 6, 7) +
               (__m256)__builtin_shufflevector(a[i], a[i], 8, 9, 10, 11, 12, 13, 14, 15);
      } else {
        s[i] = (__m256)a[i];
      }
    }
    const __m256 t0 = _mm256_unpacklo_ps(s[0], s[1]) + _mm256_unpackhi_ps(s[0], s[1]);
    const __m256 t1 = _mm256_unpacklo_ps(s[2], s[3]) + _mm256_unpackhi_ps(s[2], s[3]);
    const __m256 u = (__m256)(_mm256_unpacklo_pd((__m256d)t0, (__m256d)t1)) +
                     (__m256)(_mm256_unpackhi_pd((__m256d)t0, (__m256d)t1));
    return _mm_add_ps(_mm256_castps256_ps128(u), _mm256_extractf128_ps(u, 1));
  }

  // 2^x for x <= 0, within an ulp or two; 0 below -126.
  [[gnu::always_inline]] static inline F exp2_negative(F x) {
    const F magic = F{} + 12582912.0f;  // adding it rounds to an integer
    const F shifted = x + magic;
    const F r = x - (shifted - magic);
    F p = r * 1.5461444725e-4f + 1.3400428178e-3f;
    p = p * r + 9.6180566784e-3f;
    p = p * r + 5.5503272267e-2f;
    p = p * r + 2.4022650922e-1f;
    p = p * r + 6.9314720670e-1f;
    p = p * r + 1.0f;
    // Unsigned: where x is far below -126 the sum wraps, and is not used.
    const F power = (F)(((U)shifted << 23) + (U)p);
    const F zero{};
    const F bounded = x < -126.0f ? zero : power;
    return x == x ? bounded : x;  // NOLINT(misc-redundant-expression): a NaN stays one
  }

  // Exponents to weights, under a top that may be higher than before.
  static void weigh(const Work& work, int64_t q, int64_t n) {
    float* row = work.weights + q * kBlock;
    const int64_t end = (n + N - 1) / N * N;
    for (int64_t j = n; j < end; ++j)
      row[j] = -__builtin_inff();
    F largest = kernels::load<F>(row);
    for (int64_t j = N; j < end; j += N) {
      const F x = kernels::load<F>(row + j);
      largest = x > largest ? x : largest;
    }
    const float before = work.part.tops[q];
    float top = before;
    for (int i = 0; i < N; ++i)
      top = largest[i] > top ? largest[i] : top;
    F total{};
    for (int64_t j = 0; j < end; j += N) {
      const F e = exp2_negative(kernels::load<F>(row + j) - top);
      store(row + j, e);
      total += e;
    }
    const float factor = before == top ? 1.0f : exp2_negative(F{} + (before - top))[0];
    work.part.tops[q] = top;
    work.part.totals[q] = work.part.totals[q] * factor + lane_sum(total);
    work.factors[q] = factor;
  }

  // sums = factors * sums + weights times values.
  template <typename Rows>
  static void add_values(const Work& work, const Rows& rows, const Block& values) {
    int64_t left = work.part.n_query;
    for (int64_t q = 0; left > 0;) {
      const int64_t n_group = (left + kSumQueries - 1) / kSumQueries;
      const int64_t n = (left + n_group - 1) / n_group;
      if (n == 1) weighted_sums<1>(work, rows, values, q);
      if (n == 2) weighted_sums<2>(work, rows, values, q);
      if constexpr (kSumQueries > 2) {
        if (n == 3) weighted_sums<3>(work, rows, values, q);
        if (n == 4) weighted_sums<4>(work, rows, values, q);
        if (n == 5) weighted_sums<5>(work, rows, values, q);
        if (n == 6) weighted_sums<6>(work, rows, values, q);
        if (n == 7) weighted_sums<7>(work, rows, values, q);
        if (n == 8) weighted_sums<8>(work, rows, values, q);
      }
      q += n;
      left -= n;
    }
  }

  template <int G, typename Rows>
  static void weighted_sums(const Work& work, const Rows& rows, const Block& values, int64_t q) {
    const float* weights = work.weights + q * kBlock;
    each_chunk(
        work, rows, [&](int64_t c, const auto& load) __attribute__((always_inline)) {
          F acc[G][kVec] = {};
          for (int64_t j = 0; j < values.n; ++j) {
            Chunk<N> value;
            load(values.rows + j * values.row_bytes, &value);
#pragma GCC unroll 8
            for (int g = 0; g < G; ++g) {
#pragma GCC unroll 4
              for (int v = 0; v < kVec; ++v)
                acc[g][v] += weights[g * kBlock + j] * value.v[v];
            }
          }
#pragma GCC unroll 8
          for (int g = 0; g < G; ++g) {
            float* sums = work.sums + (q + g) * work.padded + c * kChunk;
            for (int v = 0; v < kVec; ++v)
              store(sums + v * N, work.factors[q + g] * kernels::load<F>(sums + v * N) + acc[g][v]);
          }
        });
  }
};

}  // namespace
}  // namespace restkv::kernels
