// Reconstruction distances of ReST-KV (arXiv 2605.08840; docs/policies.md, rest-kv) and
// the Gram matrix behind the projection factor R_h.
//
// The difference of output and value is always formed before it is squared: expanding the square
// cancels badly. All functions are pure and may be called concurrently with different outputs.
#pragma once

#include <cstdint>

#include "kernels/window_attention.h"
#include "restkv/tensor_view.h"

namespace restkv::kernels {

struct ReconstructionDistance {
  const float* projected = nullptr;  // [n_head][head_dim] R_h o of each query head of the group
                                     // (o without projection)
  const float* factors = nullptr;    // [n_head][head_dim][head_dim] R_h, zeros below the diagonal;
                                     // null: no projection
  int64_t n_head = 0;
  RowsView values;             // [n][head_dim]
  int64_t n_entry = 0;         // the first n_entry values are measured
  float* distances = nullptr;  // out [n_head][stride]
  int64_t stride = 0;          // >= round_up(n_entry, kRowAlign)
  float* scratch = nullptr;    // [scratch_floats(head_dim)]
};

struct RowReconstruction {
  const float* projected = nullptr;  // [n_row][head_dim] R_h o_t (o_t without projection)
  const float* factor = nullptr;     // [head_dim][head_dim] R_h as above, or null
  const float* divisors = nullptr;   // [n_row]
  int64_t n_row = 0;
  RowsView values;  // [n][head_dim]
  int64_t n_entry = 0;
  float* weights = nullptr;  // in out [n_row][stride]
  int64_t stride = 0;        // >= round_up(n_entry, kRowAlign)
  float* scratch = nullptr;  // [scratch_floats(head_dim)]
};

struct ReconstructionKernels {
  // Mode "after": distances[h][j] = |projected[h] - R_h v_j|.
  void (*distance)(const ReconstructionDistance& args);

  // Mode "before", one query head: weights[t][j] becomes
  // odds(weights[t][j]) * |projected[t] - R_h v_j| / divisors[t], with R_h v_j computed once for
  // all rows. What stands at j >= n_entry is unspecified afterwards.
  void (*score_rows)(const RowReconstruction& args);

  // Upper triangle of the Gram matrix of w [n_row][n_col] (row_stride elements between rows):
  // gram[i][j] = sum_e w[e][i] w[e][j] for i <= j, in double. The rest of gram [n_col][gram_stride]
  // is unspecified. gram_stride >= round_up(n_col, kRowAlign); scratch: [kRowAlign][gram_stride].
  void (*gram)(const float* w, int64_t n_row, int64_t n_col, int64_t row_stride, double* gram,
               int64_t gram_stride, double* scratch);
  // The same where the sums of kRowAlign rows are float, and double adds those up.
  void (*gram_in_floats)(const float* w, int64_t n_row, int64_t n_col, int64_t row_stride,
                         double* gram, int64_t gram_stride, float* scratch);

  // row[j] -= factor * pivot[j] for first <= j < n, or from round_down(first, 8) on.
  // REQUIRES: rows of round_up(n, kRowAlign) numbers.
  void (*eliminate)(const double* pivot, double factor, int64_t first, int64_t n, double* row);
};

// What one entry's deletion does: a / (1 - a), kept finite for a = 1 (docs/policies.md, rest-kv).
constexpr float kMinRemainder = 0x1p-24f;
inline float odds(float weight) {
  const float remainder = 1.0f - weight;
  return weight / (remainder > kMinRemainder ? remainder : kMinRemainder);
}

extern const ReconstructionKernels kReconstructionRef;
extern const ReconstructionKernels kReconstructionAvx2;
extern const ReconstructionKernels kReconstructionAvx512;

}  // namespace restkv::kernels
