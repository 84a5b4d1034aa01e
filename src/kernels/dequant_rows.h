// Weight rows as bfloat16 or float, a few rows at a time: what prefill builds its panels from.
//
// Before rounding to bfloat16 the values are bit for bit those of ggml's dequantisation. Rounding
// is to nearest, ties to even; NaN stays NaN; a result below 2^-126 may become zero.
// All functions are pure, never allocate and may be called concurrently with different outputs.
#pragma once

#include <cstdint>

#include "kernels/quant_types.h"

namespace restkv::kernels {

struct WeightRows {
  const void* data = nullptr;  // row r begins at byte r * row_bytes; aligned to 2 bytes, f32 to 4
  WeightType type = WeightType::f32;
  int64_t row_bytes = 0;  // >= weight_row_bytes(type, k)
  int64_t k = 0;          // values of a row, a multiple of the type's block size
};

struct DequantKernels {
  // out [n_row][k]: the rows first .. first + n_row - 1.
  void (*to_bf16)(const WeightRows& rows, int64_t first, int64_t n_row, uint16_t* out);
  void (*to_float)(const WeightRows& rows, int64_t first, int64_t n_row, float* out);

  // [n] -> [n].
  void (*floats_to_bf16)(const float* in, int64_t n, uint16_t* out);
  void (*bf16_to_floats)(const uint16_t* in, int64_t n, float* out);
};

// The plain loops that the others are tested against.
extern const DequantKernels kDequantRef;
// AVX2, FMA and F16C; AVX-512 F, BW, DQ and VL; those and AVX-512 BF16, VNNI and VBMI. Only on
// x86-64 builds.
extern const DequantKernels kDequantAvx2;
extern const DequantKernels kDequantAvx512;
extern const DequantKernels kDequantAvx512Bf16;

}  // namespace restkv::kernels
