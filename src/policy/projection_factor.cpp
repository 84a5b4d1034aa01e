// R_h by Cholesky factorisation, in double, of the Gram matrix W_h^T W_h (docs/policies.md,
// rest-kv). Its elements have float's digits: what is measured with R_h are mostly the large
// directions, and errors of a few rows' sums cancel among many.
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/check.h"
#include "kernels/dispatch.h"
#include "policy/covariance_factor.h"
#include "restkv/policy.h"

namespace restkv {
namespace {

// Relative to the largest diagonal element; directions below it are rounding noise.
constexpr double kMinPivot = 1e-13;

// The upper triangle of gram [d][stride] becomes R with R^T R = gram. A pivot that vanished (W_h
// of lower rank) gives a row of zeros.
void factorise(double* gram, int64_t d, int64_t stride) {
  const auto eliminate = kernels::best_kernels().reconstruction->eliminate;
  double largest = 0.0;
  for (int64_t i = 0; i < d; ++i)
    largest = std::max(largest, gram[i * stride + i]);
  for (int64_t i = 0; i < d; ++i) {
    double* row = gram + i * stride;
    const bool vanished = !(row[i] > kMinPivot * largest);
    const double scale = vanished ? 0.0 : 1.0 / std::sqrt(row[i]);
    for (int64_t j = i; j < d; ++j)
      row[j] *= scale;
    for (int64_t r = i + 1; r < d; ++r) {
      eliminate(row, row[r], r, d, gram + r * stride);
    }
  }
}

void store_upper(const double* from, int64_t d, int64_t stride, float* to) {
  for (int64_t r = 0; r < d; ++r) {
    for (int64_t c = 0; c < d; ++c)
      to[r * d + c] = c < r ? 0.0f : static_cast<float>(from[r * stride + c]);
  }
}

}  // namespace

void projection_factor(const float* w_h, int64_t n_embd, int64_t head_dim, int64_t row_stride,
                       float* r_h) {
  RESTKV_CHECK(head_dim >= 1 && row_stride >= head_dim && n_embd >= 1);
  const int64_t stride = kernels::round_up(head_dim, kernels::kRowAlign);
  std::vector<double> gram(head_dim * stride);
  const auto& kernels = *kernels::best_kernels().reconstruction;
  if (n_embd < 4 * head_dim) {
    // Few rows may not span all directions, and what float rounds away would look like one.
    std::vector<double> scratch(kernels::kRowAlign * stride);
    kernels.gram(w_h, n_embd, head_dim, row_stride, gram.data(), stride, scratch.data());
  } else {
    std::vector<float> scratch(kernels::kRowAlign * stride);
    kernels.gram_in_floats(w_h, n_embd, head_dim, row_stride, gram.data(), stride, scratch.data());
  }
  factorise(gram.data(), head_dim, stride);
  store_upper(gram.data(), head_dim, stride, r_h);
}

void covariance_factor(const float* covariance, int64_t d, float* r) {
  const int64_t stride = kernels::round_up(d, kernels::kRowAlign);
  std::vector<double> square(d * stride);
  for (int64_t i = 0; i < d; ++i)
    std::copy_n(covariance + i * d, d, square.begin() + i * stride);
  factorise(square.data(), d, stride);
  store_upper(square.data(), d, stride, r);
}

}  // namespace restkv
