#include "kernels/reconstruction.h"

#include <cmath>

namespace restkv::kernels {
namespace {

// out = R x for an upper triangular R [d][d].
void project(const float* factor, const float* x, int64_t d, float* out) {
  for (int64_t r = 0; r < d; ++r) {
    double sum = 0.0;
    for (int64_t c = r; c < d; ++c)
      sum += factor[r * d + c] * x[c];
    out[r] = static_cast<float>(sum);
  }
}

float length(const float* x, int64_t d) {
  double sum = 0.0;
  for (int64_t c = 0; c < d; ++c)
    sum += x[c] * x[c];
  return static_cast<float>(std::sqrt(sum));
}

void distance(const ReconstructionDistance& args) {
  const int64_t d = args.values.n_col;
  float* value = args.scratch;
  float* difference = args.scratch + d;
  float* projected = args.scratch + 2 * d;
  for (int64_t j = 0; j < args.n_entry; ++j) {
    load_rows(args.values, j, 1, value);
    for (int64_t h = 0; h < args.n_head; ++h) {
      for (int64_t c = 0; c < d; ++c)
        difference[c] = args.outputs[h * d + c] - value[c];
      const float* measured = difference;
      if (args.factors != nullptr) {
        project(args.factors + h * d * d, difference, d, projected);
        measured = projected;
      }
      args.distances[h * args.stride + j] = length(measured, d);
    }
  }
}

void score_rows(const RowReconstruction& args) {
  const int64_t d = args.values.n_col;
  float* value = args.scratch;
  float* difference = args.scratch + d;
  float* projected = args.scratch + 2 * d;
  for (int64_t j = 0; j < args.n_entry; ++j) {
    load_rows(args.values, j, 1, value);
    if (args.factor != nullptr) project(args.factor, value, d, projected);
    const float* shared = args.factor != nullptr ? projected : value;
    for (int64_t t = 0; t < args.n_row; ++t) {
      for (int64_t c = 0; c < d; ++c)
        difference[c] = args.projected[t * d + c] - shared[c];
      float& weight = args.weights[t * args.stride + j];
      weight = odds(weight) * length(difference, d) / args.divisors[t];
    }
  }
}

void gram(const float* w, int64_t n_row, int64_t n_col, int64_t row_stride, double* gram,
          int64_t gram_stride, double* scratch) {
  (void)scratch;
  for (int64_t i = 0; i < n_col; ++i) {
    for (int64_t j = i; j < n_col; ++j) {
      double sum = 0.0;
      for (int64_t e = 0; e < n_row; ++e) {
        sum += static_cast<double>(w[e * row_stride + i]) * w[e * row_stride + j];
      }
      gram[i * gram_stride + j] = sum;
    }
  }
}

}  // namespace

const ReconstructionKernels kReconstructionRef = {distance, score_rows, gram};

}  // namespace restkv::kernels
