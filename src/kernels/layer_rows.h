// What happens to the rows of a layer between its matrix products when those are computed in bf16:
// RMS norm, gated activation, bias and residual. Rows of bf16 hold the upper half of a float.
//
// All functions are pure and may be called concurrently with different outputs; `out` may be the
// residual itself, otherwise outputs overlap no input.
#pragma once

#include <cstdint>

namespace restkv::kernels {

// n numbers, float or bf16: exactly one of the two is set.
struct Row {
  const float* f32 = nullptr;
  const uint16_t* bf16 = nullptr;
};

enum class Activation { silu, gelu };  // gelu in its tanh form

struct LayerRowKernels {
  // out = x / sqrt(mean(x^2) + eps) * weight, rounded to bf16.
  void (*rms_norm)(Row x, const float* weight, float eps, int64_t n, uint16_t* out);

  // out = act(gate) * up, rounded to bf16. Biases may be null.
  void (*gate)(const float* gate, const float* gate_bias, const float* up, const float* up_bias,
               Activation activation, int64_t n, uint16_t* out);

  // out = x + bias + residual; bias may be null, residual may be empty.
  void (*add)(const float* x, const float* bias, Row residual, int64_t n, float* out);
};

extern const LayerRowKernels kLayerRowsRef;
extern const LayerRowKernels kLayerRowsAvx2;
extern const LayerRowKernels kLayerRowsAvx512;

}  // namespace restkv::kernels
