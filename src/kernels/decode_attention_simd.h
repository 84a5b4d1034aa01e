// The decode kernels for a register of N floats; see simd.h for the rules.
#pragma once

#include "kernels/decode_attention.h"
#include "kernels/decode_products_simd.h"
#include "kernels/decode_rows_simd.h"
#include "kernels/turn_simd.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

template <int N, int kDotN, int kDotQueries, int kSumQueries>
class DecodeAttention {
  using F = typename Simd<N>::F;
  using U = typename Simd<N>::U;
  static constexpr int kVec = Chunk<N>::kVec;
  static constexpr int64_t kBlock = kDecodeBlock;

  // The part with its scratch cut up.
  struct Work {
    const DecodePart& part;
    int64_t padded;  // head_dim in whole chunks
    float* queries;  // [n_query][padded], times scale and log2(e)
    float* sums;     // [n_query][padded]
    float* keys;     // [kBlock][padded], where keys turn
    float* weights;  // [n_query][kBlock]
    float* totals;   // [n_query][N]
    float* factors;  // [n_query] of what the sums hold already
  };

 public:
  static void attend(const DecodePart& part) {
    const int64_t n_tail = part.head_dim % kChunk;
    if (part.type == RowType::f16) return run(part, HalfRows<N>{n_tail}, HalfRows<kDotN>{n_tail});
    if (part.type == RowType::q8_0) return run(part, Q8Rows<N>(), Q8Rows<kDotN>());
    run(part, Q4Rows<N>(), Q4Rows<kDotN>());
  }

 private:
  template <typename Rows, typename DotRows>
  static void run(const DecodePart& part, const Rows& rows, const DotRows& dot_rows) {
    const Work work = prepare(part);
    const KeyProducts<kDotN, kDotQueries> multiply{part.head_dim, work.padded, work.queries,
                                                   part.n_query, work.weights};
    // Turned keys lie in whole chunks.
    const KeyProducts<kDotN, kDotQueries> multiply_turned{work.padded, work.padded, work.queries,
                                                          part.n_query, work.weights};
    for (int64_t first = 0; first < part.n_entry; first += kBlock) {
      const int64_t left = part.n_entry - first, n = left < kBlock ? left : kBlock;
      const RowBlock keys{part.keys + first * part.row_bytes, part.row_bytes, n};
      const RowBlock values{part.values + first * part.row_bytes, part.row_bytes, n};
      if (part.turns.cos_sin == nullptr) {
        multiply(dot_rows, keys);
      } else {
        turn_keys(work, rows, keys, first);
        multiply_turned(FloatRows<kDotN>(), {reinterpret_cast<const std::byte*>(work.keys),
                                             work.padded * sizeof(float), n});
      }
      for (int64_t q = 0; q < part.n_query; ++q)
        weigh(work, q, n);
      add_values(work, rows, values);
    }
    for (int64_t q = 0; q < part.n_query; ++q) {
      for (int64_t c = 0; c < part.head_dim; ++c)
        part.sums[q * part.head_dim + c] = work.sums[q * work.padded + c];
      part.totals[q] = lane_sum(kernels::load<F>(work.totals + q * N));
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
    float* totals = weights + n * kBlock;
    const Work work{part, padded, base, base + n * padded, keys, weights, totals, totals + n * N};
    for (int64_t q = 0; q < n; ++q) {
      for (int64_t c = 0; c < padded; ++c) {
        work.queries[q * padded + c] =
            c < d ? part.queries[q * d + c] * (part.scale * kLog2E) : 0.0f;
        work.sums[q * padded + c] = 0.0f;
      }
      part.tops[q] = -__builtin_inff();
      for (int64_t i = 0; i < N; ++i)
        work.totals[q * N + i] = 0.0f;
    }
    return work;
  }

  template <typename Rows>
  static void turn_keys(const Work& work, const Rows& rows, const RowBlock& keys, int64_t first) {
    const Turns& turns = work.part.turns;
    for (int64_t r = 0; r < keys.n; ++r) {
      const std::byte* row = keys.row(r);
      float* out = work.keys + r * work.padded;
      each_chunk<N>(
          rows,
          work.part.head_dim, [&](int64_t c, const auto& load) __attribute__((always_inline)) {
            Chunk<N> chunk;
            load(row, &chunk);
            for (int i = 0; i < kVec; ++i)
              store(out + c * kChunk + i * N, chunk.v[i]);
          });
      turn_row<N>(turns, turns.cos_sin + (first + r) * turns.n_rot, out);
    }
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
    constexpr int kVectors = kBlock / N;
    float* row = work.weights + q * kBlock;
    for (int64_t j = n; j < kBlock; ++j)
      row[j] = -__builtin_inff();
    F x[kVectors], largest = kernels::load<F>(row);
#pragma GCC unroll 8
    for (int i = 0; i < kVectors; ++i) {
      x[i] = kernels::load<F>(row + i * N);
      largest = x[i] > largest ? x[i] : largest;
    }
    const float before = work.part.tops[q], block_top = lane_max<N>(largest);
    const float top = block_top > before ? block_top : before;
    const float factor = before == top ? 1.0f : exp2_negative(F{} + (before - top))[0];
    F total = factor * kernels::load<F>(work.totals + q * N);
#pragma GCC unroll 8
    for (int i = 0; i < kVectors; ++i) {
      const F e = exp2_negative(x[i] - top);
      store(row + i * N, e);
      total += e;
    }
    work.part.tops[q] = top;
    store(work.totals + q * N, total);
    work.factors[q] = factor;
  }

  // sums = factors * sums + weights times values.
  template <typename Rows>
  static void add_values(const Work& work, const Rows& rows, const RowBlock& values) {
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
  static void weighted_sums(const Work& work, const Rows& rows, const RowBlock& values, int64_t q) {
    const float* weights = work.weights + q * kBlock;
    each_chunk<N>(
        rows, work.part.head_dim, [&](int64_t c, const auto& load) __attribute__((always_inline)) {
          F acc[G][kVec] = {};
          for (int64_t j = 0; j < values.n; ++j) {
            Chunk<N> value;
            load(values.row(j), &value);
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
