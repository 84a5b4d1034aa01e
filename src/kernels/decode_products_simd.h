// Dot products of queries with stored keys, in registers of N floats, for the decode kernels; see
// simd.h for the rules.
#pragma once

#include "kernels/decode_attention.h"
#include "kernels/decode_rows_simd.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

// Query heads 0 .. n_query - 1 of a cached head. kShare of them share a row in registers.
template <int N, int kShare>
class KeyProducts {
  using F = typename Simd<N>::F;
  static constexpr int kVec = Chunk<N>::kVec;
  static_assert(kShare == 2 || kShare == 4);

 public:
  int64_t head_dim;
  int64_t padded;        // head_dim in whole chunks
  const float* queries;  // [n_query][padded], zeros beyond head_dim
  int64_t n_query;
  float* products;  // out [n_query][kDecodeBlock]; numbers without meaning up to a multiple of 4

  template <typename Rows>
  void operator()(const Rows& rows, const RowBlock& keys) const {
    int64_t left = n_query;
    for (int64_t q = 0; left > 0;) {
      // Groups of nearly one size: 9 as 3 + 3 + 3.
      const int64_t n_group = (left + kShare - 1) / kShare;
      const int64_t n = (left + n_group - 1) / n_group;
      if (n == 1) multiply<1>(rows, keys, q);
      if (n == 2) multiply<2>(rows, keys, q);
      if constexpr (kShare > 2) {
        if (n == 3) multiply<3>(rows, keys, q);
        if (n == 4) multiply<4>(rows, keys, q);
      }
      q += n;
      left -= n;
    }
  }

 private:
  // Four rows at a time; what is left over repeats the last row.
  template <int G, typename Rows>
  void multiply(const Rows& rows, const RowBlock& keys, int64_t q) const {
    for (int64_t r = 0; r < keys.n; r += 4) {
      const std::byte* row[4];
      for (int64_t i = 0; i < 4; ++i)
        row[i] = keys.row(r + i < keys.n ? r + i : keys.n - 1);
      F acc[G][4] = {};
      each_chunk<N>(
          rows, head_dim, [&](int64_t c, const auto& load) __attribute__((always_inline)) {
            const float* query = queries + q * padded + c * kChunk;
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i) {
              Chunk<N> key;
              load(row[i], &key);
#pragma GCC unroll 4
              for (int g = 0; g < G; ++g) {
#pragma GCC unroll 4
                for (int v = 0; v < kVec; ++v)
                  acc[g][i] += key.v[v] * kernels::load<F>(query + g * padded + v * N);
              }
            }
          });
#pragma GCC unroll 4
      for (int g = 0; g < G; ++g)
        _mm_storeu_ps(products + (q + g) * kDecodeBlock + r, lane_sums<N>(acc[g]));
    }
  }
};

}  // namespace
}  // namespace restkv::kernels
