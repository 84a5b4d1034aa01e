// Attention of one new token over the entries of one cached head: the g query heads that read it
// share every row of K and V. What a decode step does for each head and each part of a long one
// (the parts of flash-decoding), on rows as the cache stores them.
//
// Weights are powers of two: an entry with dot product s weighs 2^(scale * log2(e) * s - top), top
// being the largest exponent of its part. All arithmetic is in float, sums of a block of entries
// before the sum of blocks. All functions are pure and may be called concurrently with different
// outputs and scratch.
#pragma once

#include <cstddef>
#include <cstdint>

namespace restkv::kernels {

// How a row of K or V is stored: binary16, or ggml's blocks of 32 with one binary16 factor.
enum class RowType { f16, q8_0, q4_0 };

// Rotations of rows, as ggml's RoPE pairs dimensions: neighbours (2j, 2j + 1), or halves
// (j, j + n_rot / 2).
struct Turns {
  const float* cos_sin = nullptr;  // [n][n_rot]: where the pair (1, 0) of each pair goes
  int64_t n_rot = 0;               // leading dimensions that turn, even; the others stay
  bool halves = false;
};

// Entries are taken in blocks of this many. A part that begins at a multiple of it costs least.
constexpr int64_t kDecodeBlock = 64;

// Floats of scratch for n_query heads.
constexpr int64_t decode_scratch_floats(int64_t n_query, int64_t head_dim) {
  const int64_t padded = (head_dim + 31) / 32 * 32;
  return n_query * (2 * padded + kDecodeBlock + 17) + kDecodeBlock * padded + 16;
}

// One cached head, or a part of its entries. REQUIRES: n_entry, n_query >= 1; head_dim a multiple
// of 32 for q8_0 and q4_0.
struct DecodePart {
  const std::byte* keys = nullptr;  // [n_entry] rows, row_bytes apart; values likewise
  const std::byte* values = nullptr;
  size_t row_bytes = 0;
  RowType type = RowType::f16;
  int64_t n_entry = 0;
  int64_t head_dim = 0;
  // Keys are turned when they are read, the i-th by the i-th row; nullptr: they lie turned.
  Turns turns;
  const float* queries = nullptr;  // [n_query][head_dim], turned
  int64_t n_query = 0;
  float scale = 1.0f;  // factor of the dot products

  float* sums = nullptr;     // out [n_query][head_dim]: the values' sums by weight
  float* tops = nullptr;     // out [n_query]: largest exponents
  float* totals = nullptr;   // out [n_query]: sums of the weights
  float* scratch = nullptr;  // [decode_scratch_floats(n_query, head_dim)]
};

struct DecodeAttentionKernels {
  void (*attend)(const DecodePart& part);
  // Turns x [head_dim] by the first of the rotations, in place.
  void (*turn)(const Turns& turns, float* x);
};

// What one part left behind.
struct DecodePartial {
  float *sums = nullptr, *tops = nullptr, *totals = nullptr;
};

// The attention over all parts of a head: output [n_query][head_dim], which may be the only part's
// sums.
void merge_parts(const DecodePartial* parts, int64_t n_part, int64_t n_query, int64_t head_dim,
                 float* output);

// The plain loops that the others are tested against.
extern const DecodeAttentionKernels kDecodeAttentionRef;
// AVX2, FMA and F16C; AVX-512 F, BW, DQ and VL. Only on x86-64 builds.
extern const DecodeAttentionKernels kDecodeAttentionAvx2;
extern const DecodeAttentionKernels kDecodeAttentionAvx512;

}  // namespace restkv::kernels
