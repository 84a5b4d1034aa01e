// Products of weight rows, read where they lie in the mapped file, with a few vectors: what a
// decoding step spends its time on. Memory bandwidth is the limit, so every weight is read once for
// all vectors.
//
// Vectors that meet quantised weights are first rounded to 8-bit integers with a float scale for
// every 32 values. Vectors that meet f32, f16 and bf16 weights stay float.
//
// All functions are pure, never allocate and may be called concurrently with different outputs.
#pragma once

#include <cstdint>

#include "kernels/dequant_rows.h"

namespace restkv::kernels {

constexpr int64_t kActivationBlock = 256;

// 256 rounded values of a vector, in eight groups of 32; zeros beyond its end. A set of kernels
// orders the integers as it likes them: what one set has rounded, another cannot read.
struct alignas(64) Activations {
  int8_t q[256];
  float scale[8];        // value = scale * q
  float sum[8];          // scale * sum of q over the group
  int16_t half_sum[16];  // sum of q over 16 values
  uint8_t unused[32];
};
static_assert(sizeof(Activations) == 384);

// Blocks of a vector of k values.
constexpr int64_t n_activation_block(int64_t k) {
  return (k + kActivationBlock - 1) / kActivationBlock;
}

constexpr int64_t kMaxVectors = 8;

// out[x][r] = sum over i of weights[r][i] * x[i] (+ bias[r]) (+ residual[x][r]).
struct MatvecArgs {
  WeightRows weights;
  int64_t n_vector = 1;  // 1 .. kMaxVectors
  // The vectors: for quantised types [n_vector][n_activation_block(k)], else floats
  // [n_vector][float_stride].
  const Activations* activations = nullptr;
  const float* floats = nullptr;
  int64_t float_stride = 0;
  float* out = nullptr;  // out [n_vector][out_stride], all rows of the matrix
  int64_t out_stride = 0;
  const float* bias = nullptr;      // [row], or null
  const float* residual = nullptr;  // [n_vector][out_stride], or null; may be out
};

struct MatvecKernels {
  // Rows first .. first + n_row - 1 of the product: any division of the rows is right, some
  // hundred KiB of weights at a time keep the cost of a call out of sight.
  void (*rows)(const MatvecArgs& args, int64_t first, int64_t n_row);

  // x [k] -> out [n_activation_block(k)]. REQUIRES for these four: k is a multiple of 32. A slice
  // of a vector that begins at a multiple of 256 can be rounded on its own.
  void (*quantize)(const float* x, int64_t k, Activations* out);
  // Of x / sqrt(mean of x^2 + eps) * weight, as RMSNorm.
  void (*rms_norm_quantize)(const float* x, const float* weight, float eps, int64_t k,
                            Activations* out);
  // Of silu(gate) * up and gelu(gate) * up; gelu by its tanh form.
  void (*silu_mul_quantize)(const float* gate, const float* up, int64_t k, Activations* out);
  void (*gelu_mul_quantize)(const float* gate, const float* up, int64_t k, Activations* out);

  // The same three without rounding; out [k], may be an input.
  void (*rms_norm)(const float* x, const float* weight, float eps, int64_t k, float* out);
  void (*silu_mul)(const float* gate, const float* up, int64_t k, float* out);
  void (*gelu_mul)(const float* gate, const float* up, int64_t k, float* out);
};

// The plain loops that the others are tested against.
extern const MatvecKernels kMatvecRef;
// AVX2, FMA and F16C; AVX-512 F, BW, DQ, VL, BF16, VNNI and VBMI. Only on x86-64 builds.
extern const MatvecKernels kMatvecAvx2;
extern const MatvecKernels kMatvecAvx512Bf16;

}  // namespace restkv::kernels
