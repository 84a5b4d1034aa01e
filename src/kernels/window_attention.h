// Statistics of the observation window: attention rows of its queries over all keys of one KV
// head, and what the policies derive from such rows (docs/policies.md, what all policies share and
// rest-kv).
//
// Keys and values are converted to float tile by tile: no full float copy exists at any time.
// Weights lie in padded rows: `stride` >= round_up(n_key, kRowAlign) floats apart, zeros beyond
// n_key. All functions are pure and may be called concurrently with different outputs.
#pragma once

#include <cstdint>

#include "restkv/tensor_view.h"

namespace restkv::kernels {

constexpr int64_t kRowAlign = 32;

constexpr int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// Floats of scratch that every function here and in reconstruction.h needs for this head width.
constexpr int64_t scratch_floats(int64_t head_dim) {
  return 4 * kRowAlign * round_up(head_dim, kRowAlign);
}

struct AttentionRows {
  const float* queries = nullptr;  // [n_row][head_dim], head_dim = keys.n_col
  int64_t n_row = 0;
  const int64_t* visible = nullptr;  // [n_row] row r sees keys 0 .. visible[r] - 1, at least one
  RowsView keys;                     // [n_key][head_dim]
  float scale = 1.0f;                // factor of the dot products
  float* weights = nullptr;          // out [n_row][stride], see above
  int64_t stride = 0;
  float* scratch = nullptr;  // [scratch_floats(head_dim)]
};

struct AttentionOutput {
  const float* weights = nullptr;  // [n_row][stride]
  int64_t stride = 0;
  int64_t n_row = 0;
  RowsView values;           // [n_entry][head_dim]
  int64_t n_entry = 0;       // the first n_entry values take part
  float* output = nullptr;   // out [n_row][head_dim]
  float* scratch = nullptr;  // [scratch_floats(head_dim)]
};

struct WeightedSum {
  const float* weights = nullptr;  // [n_row][stride]
  int64_t stride = 0;              // >= round_up(n, kRowAlign)
  int64_t n_row = 0;               // at least one
  const float* factors = nullptr;  // [n_row]
  int64_t n = 0;                   // columns
  float* out = nullptr;            // [round_up(n, kRowAlign)], unspecified from n on
};

struct WindowAttentionKernels {
  // Softmax over the visible keys of every row; weights beyond the visible ones are 0.
  void (*attention_rows)(const AttentionRows& args);

  // output[r] = sum over j < n_entry of weights[r][j] * values[j].
  void (*attention_output)(const AttentionOutput& args);

  // out[j] = sum over r of factors[r] * weights[r][j], for j < n.
  void (*weighted_sum)(const WeightedSum& args);

  // The sum of the positions of the k largest of weights[n]; ties: the lower position. *near: where
  // the search for the k-th begins, 0 for anywhere, and what it found: rows that resemble each
  // other help each other. The result does not depend on it.
  // REQUIRES: 1 <= k <= n, weights >= 0, weights[n .. round_up(n, kRowAlign)) readable, *near >= 0.
  int64_t (*top_position_sum)(const float* weights, int64_t n, int64_t k, float* near);

  // sums[j] += the sum over r < n_row of weights[r][j], for j < n. Eight rows at a time are added
  // up in float.
  void (*add_columns)(const float* weights, int64_t stride, int64_t n_row, int64_t n, double* sums);
};

// The plain loops that the others are tested against.
extern const WindowAttentionKernels kWindowAttentionRef;
// AVX2, FMA and F16C; AVX-512 F, BW, DQ and VL. Only on x86-64 builds.
extern const WindowAttentionKernels kWindowAttentionAvx2;
extern const WindowAttentionKernels kWindowAttentionAvx512;

}  // namespace restkv::kernels
