#include <cmath>
#include <cstring>

#include "kernels/layer_rows.h"

namespace restkv::kernels {
namespace {

float from_bf16(uint16_t half) {
  const uint32_t bits = uint32_t{half} << 16;
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

uint16_t round_to_bf16(float x) {
  if (std::isnan(x)) return 0x7fc0;
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

float at(const Row& row, int64_t i) {
  return row.f32 != nullptr ? row.f32[i] : from_bf16(row.bf16[i]);
}

float activate(Activation activation, float x) {
  if (activation == Activation::silu) return x / (1.0f + std::exp(-x));
  const float inner = 0.79788456f * x * (1.0f + 0.044715f * x * x);
  // 0.5 (1 + tanh(y)), which cancels for y < 0, is the logistic function of 2 y.
  return x / (1.0f + std::exp(-2.0f * inner));
}

void rms_norm(Row x, const float* weight, float eps, int64_t n, uint16_t* out) {
  double sum = 0.0;
  for (int64_t i = 0; i < n; ++i)
    sum += static_cast<double>(at(x, i)) * at(x, i);
  const float scale = 1.0f / std::sqrt(static_cast<float>(sum / static_cast<double>(n)) + eps);
  for (int64_t i = 0; i < n; ++i)
    out[i] = round_to_bf16(at(x, i) * scale * weight[i]);
}

void gate(const float* gate, const float* gate_bias, const float* up, const float* up_bias,
          Activation activation, int64_t n, uint16_t* out) {
  for (int64_t i = 0; i < n; ++i) {
    const float g = gate[i] + (gate_bias != nullptr ? gate_bias[i] : 0.0f);
    const float u = up[i] + (up_bias != nullptr ? up_bias[i] : 0.0f);
    out[i] = round_to_bf16(activate(activation, g) * u);
  }
}

void add(const float* x, const float* bias, Row residual, int64_t n, float* out) {
  const bool has_residual = residual.f32 != nullptr || residual.bf16 != nullptr;
  for (int64_t i = 0; i < n; ++i) {
    const float sum = x[i] + (bias != nullptr ? bias[i] : 0.0f);
    out[i] = sum + (has_residual ? at(residual, i) : 0.0f);
  }
}

}  // namespace

const LayerRowKernels kLayerRowsRef = {rms_norm, gate, add};

}  // namespace restkv::kernels
