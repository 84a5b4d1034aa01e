#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/window_attention.h"

namespace restkv::kernels {
namespace {

void softmax_row(float* weights, int64_t n_visible, int64_t n_padded) {
  float largest = weights[0];
  for (int64_t j = 1; j < n_visible; ++j)
    largest = std::max(largest, weights[j]);
  double total = 0.0;
  for (int64_t j = 0; j < n_visible; ++j) {
    weights[j] = std::exp(weights[j] - largest);
    total += weights[j];
  }
  for (int64_t j = 0; j < n_visible; ++j)
    weights[j] = static_cast<float>(weights[j] / total);
  std::fill(weights + n_visible, weights + n_padded, 0.0f);
}

void attention_rows(const AttentionRows& args) {
  const int64_t d = args.keys.n_col;
  for (int64_t j = 0; j < args.keys.n_row; ++j) {
    load_rows(args.keys, j, 1, args.scratch);
    for (int64_t r = 0; r < args.n_row; ++r) {
      double dot = 0.0;
      for (int64_t c = 0; c < d; ++c)
        dot += args.queries[r * d + c] * args.scratch[c];
      args.weights[r * args.stride + j] = static_cast<float>(dot) * args.scale;
    }
  }
  const int64_t n_padded = round_up(args.keys.n_row, kRowAlign);
  for (int64_t r = 0; r < args.n_row; ++r) {
    softmax_row(args.weights + r * args.stride, args.visible[r], n_padded);
  }
}

void attention_output(const AttentionOutput& args) {
  const int64_t d = args.values.n_col;
  std::vector<double> sums(static_cast<size_t>(args.n_row * d), 0.0);
  for (int64_t j = 0; j < args.n_entry; ++j) {
    load_rows(args.values, j, 1, args.scratch);
    for (int64_t r = 0; r < args.n_row; ++r) {
      const double weight = args.weights[r * args.stride + j];
      for (int64_t c = 0; c < d; ++c)
        sums[r * d + c] += weight * args.scratch[c];
    }
  }
  std::copy(sums.begin(), sums.end(), args.output);
}

void weighted_sum(const WeightedSum& args) {
  for (int64_t j = 0; j < args.n; ++j) {
    double sum = 0.0;
    for (int64_t r = 0; r < args.n_row; ++r)
      sum += static_cast<double>(args.factors[r]) * args.weights[r * args.stride + j];
    args.out[j] = static_cast<float>(sum);
  }
}

int64_t top_position_sum(const float* weights, int64_t n, int64_t k, float* near) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  // NaN counts as the smallest here: it only must not break the order.
  const auto key = [&](int64_t i) { return std::isnan(weights[i]) ? -1.0f : weights[i]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return key(a) > key(b); });
  *near = std::max(0.0f, key(order[k - 1]));
  return std::accumulate(order.begin(), order.begin() + k, int64_t{0});
}

void add_columns(const float* weights, int64_t stride, int64_t n_row, int64_t n, double* sums) {
  for (int64_t r = 0; r < n_row; ++r) {
    for (int64_t j = 0; j < n; ++j)
      sums[j] += weights[r * stride + j];
  }
}

}  // namespace

const WindowAttentionKernels kWindowAttentionRef = {attention_rows, attention_output, weighted_sum,
                                                    top_position_sum, add_columns};

}  // namespace restkv::kernels
