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

// |projected - shared|
float gap(const float* projected, const float* shared, int64_t d) {
  double sum = 0.0;
  for (int64_t c = 0; c < d; ++c) {
    const double difference = static_cast<double>(projected[c]) - shared[c];
    sum += difference * difference;
  }
  return static_cast<float>(std::sqrt(sum));
}

void distance(const ReconstructionDistance& args) {
  const int64_t d = args.values.n_col;
  float* value = args.scratch;
  float* projected = args.scratch + d;
  for (int64_t j = 0; j < args.n_entry; ++j) {
    load_rows(args.values, j, 1, value);
    for (int64_t h = 0; h < args.n_head; ++h) {
      if (args.factors != nullptr) project(args.factors + h * d * d, value, d, projected);
      const float* shared = args.factors != nullptr ? projected : value;
      args.distances[h * args.stride + j] = gap(args.projected + h * d, shared, d);
    }
  }
}

void score_rows(const RowReconstruction& args) {
  const int64_t d = args.values.n_col;
  float* value = args.scratch;
  float* projected = args.scratch + d;
  for (int64_t j = 0; j < args.n_entry; ++j) {
    load_rows(args.values, j, 1, value);
    if (args.factor != nullptr) project(args.factor, value, d, projected);
    const float* shared = args.factor != nullptr ? projected : value;
    for (int64_t t = 0; t < args.n_row; ++t) {
      float& weight = args.weights[t * args.stride + j];
      weight = odds(weight) * gap(args.projected + t * d, shared, d) / args.divisors[t];
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

void gram_in_floats(const float* w, int64_t n_row, int64_t n_col, int64_t row_stride, double* gram,
                    int64_t gram_stride, float* scratch) {
  (void)scratch;
  kReconstructionRef.gram(w, n_row, n_col, row_stride, gram, gram_stride, nullptr);
}

void eliminate(const double* pivot, double factor, int64_t first, int64_t n, double* row) {
  for (int64_t j = first; j < n; ++j)
    row[j] -= factor * pivot[j];
}

}  // namespace

const ReconstructionKernels kReconstructionRef = {distance, score_rows, gram, gram_in_floats,
                                                  eliminate};

}  // namespace restkv::kernels
