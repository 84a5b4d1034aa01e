#include <algorithm>
#include <cmath>

#include "kernels/quant_matvec.h"

namespace restkv::kernels {
namespace {

constexpr int64_t kChunk = 256;

bool is_float(WeightType type) {
  return type == WeightType::f32 || type == WeightType::f16 || type == WeightType::bf16;
}

// Value i of vector v as the product sees it.
float vector_value(const MatvecArgs& args, int64_t v, int64_t i) {
  if (is_float(args.weights.type)) return args.floats[v * args.float_stride + i];
  const int64_t n_block = n_activation_block(args.weights.k);
  const Activations& block = args.activations[v * n_block + i / kActivationBlock];
  const int64_t at = i % kActivationBlock;
  return block.scale[at / 32] * static_cast<float>(block.q[at]);
}

// The floats of a row are made a chunk at a time: no memory is allocated.
void add_row(const MatvecArgs& args, int64_t row, double* sums) {
  const WeightRows& w = args.weights;
  const auto* data = static_cast<const uint8_t*>(w.data) + row * w.row_bytes;
  float chunk[kChunk];
  for (int64_t i = 0; i < w.k; i += kChunk) {
    const int64_t n = std::min(kChunk, w.k - i);
    const WeightRows part{data + weight_row_bytes(w.type, i), w.type, 0, n};
    kDequantRef.to_float(part, 0, 1, chunk);
    for (int64_t v = 0; v < args.n_vector; ++v) {
      for (int64_t j = 0; j < n; ++j)
        sums[v] += static_cast<double>(chunk[j]) * vector_value(args, v, i + j);
    }
  }
}

void rows(const MatvecArgs& args, int64_t first, int64_t n_row) {
  for (int64_t row = first; row < first + n_row; ++row) {
    double sums[kMaxVectors] = {};
    add_row(args, row, sums);
    for (int64_t v = 0; v < args.n_vector; ++v) {
      const int64_t at = v * args.out_stride + row;
      float value = static_cast<float>(sums[v]);
      if (args.bias != nullptr) value += args.bias[row];
      if (args.residual != nullptr) value += args.residual[at];
      args.out[at] = value;
    }
  }
}

// The largest magnitude; a NaN counts as larger than anything.
float largest_of(const float* x, int n) {
  float largest = 0.0f;
  for (int i = 0; i < n; ++i) {
    if (std::isnan(x[i])) return x[i];
    largest = std::max(largest, std::fabs(x[i]));
  }
  return largest;
}

// Where all is below 1e-35 the group counts as zero: 127 / largest must be finite.
void round_group(const float* x, int64_t group, Activations* out) {
  const float largest = largest_of(x, 32);
  if (largest < 1e-35f) return;
  int sums[2] = {};
  for (int i = 0; i < 32; ++i) {
    // What is not finite is so by its scale.
    const float q = std::isfinite(largest) ? std::nearbyint(x[i] * (127.0f / largest)) : 0.0f;
    out->q[group * 32 + i] = static_cast<int8_t>(q);
    sums[i / 16] += static_cast<int>(q);
  }
  out->scale[group] = largest / 127.0f;
  out->sum[group] = out->scale[group] * static_cast<float>(sums[0] + sums[1]);
  out->half_sum[2 * group] = static_cast<int16_t>(sums[0]);
  out->half_sum[2 * group + 1] = static_cast<int16_t>(sums[1]);
}

// value(i) is the vector's i-th value.
template <typename Value>
void round_blocks(int64_t k, Activations* out, Value value) {
  std::fill_n(out, n_activation_block(k), Activations{});
  for (int64_t i = 0; i < k; i += 32) {
    float group[32];
    for (int64_t j = 0; j < 32; ++j)
      group[j] = value(i + j);
    round_group(group, i % kActivationBlock / 32, out + i / kActivationBlock);
  }
}

float norm_scale(const float* x, float eps, int64_t k) {
  double squares = 0.0;
  for (int64_t i = 0; i < k; ++i)
    squares += static_cast<double>(x[i]) * x[i];
  return 1.0f / std::sqrt(static_cast<float>(squares / static_cast<double>(k)) + eps);
}

float silu(float x) {
  return x / (1.0f + std::exp(-x));
}

// 0.5 x (1 + tanh(u)), without its cancellation.
float gelu(float x) {
  const float u = 0.79788456080286535588f * x * (1.0f + 0.044715f * x * x);
  return x / (1.0f + std::exp(-2.0f * u));
}

void quantize(const float* x, int64_t k, Activations* out) {
  round_blocks(k, out, [&](int64_t i) { return x[i]; });
}

void rms_norm_quantize(const float* x, const float* weight, float eps, int64_t k,
                       Activations* out) {
  const float scale = norm_scale(x, eps, k);
  round_blocks(k, out, [&](int64_t i) { return x[i] * scale * weight[i]; });
}

void silu_mul_quantize(const float* gate, const float* up, int64_t k, Activations* out) {
  round_blocks(k, out, [&](int64_t i) { return silu(gate[i]) * up[i]; });
}

void gelu_mul_quantize(const float* gate, const float* up, int64_t k, Activations* out) {
  round_blocks(k, out, [&](int64_t i) { return gelu(gate[i]) * up[i]; });
}

void rms_norm(const float* x, const float* weight, float eps, int64_t k, float* out) {
  const float scale = norm_scale(x, eps, k);
  for (int64_t i = 0; i < k; ++i)
    out[i] = x[i] * scale * weight[i];
}

void silu_mul(const float* gate, const float* up, int64_t k, float* out) {
  for (int64_t i = 0; i < k; ++i)
    out[i] = silu(gate[i]) * up[i];
}

void gelu_mul(const float* gate, const float* up, int64_t k, float* out) {
  for (int64_t i = 0; i < k; ++i)
    out[i] = gelu(gate[i]) * up[i];
}

}  // namespace

const MatvecKernels kMatvecRef = {
    rows,     quantize, rms_norm_quantize, silu_mul_quantize, gelu_mul_quantize,
    rms_norm, silu_mul, gelu_mul};

}  // namespace restkv::kernels
