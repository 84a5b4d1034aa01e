// Weight types as they lie in a GGUF file: what a block of each holds, byte by byte. Facts of the
// file format (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, ggml-common.h).
#pragma once

#include <cstdint>

namespace restkv::kernels {

// The numbers are those of the file format, so that a type read from a file can be cast.
enum class WeightType : int32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30,
};

// Whether the number of a type in a file is one of the above.
bool is_weight_type(int32_t file_type);

// Values that share a block: 1, 32 or 256. Rows are whole blocks.
int64_t weight_block_size(WeightType type);
// Bytes of a row of k values. REQUIRES: k is a multiple of the block size.
int64_t weight_row_bytes(WeightType type, int64_t k);

// d, m and min are binary16. Where a block has nibbles q[i], the low ones are the first half of
// the values that these bytes hold and the high ones the second half.

struct BlockQ40 {  // d * (q - 8)
  uint16_t d;
  uint8_t q[16];
};
struct BlockQ41 {  // d * q + m
  uint16_t d, m;
  uint8_t q[16];
};
struct BlockQ50 {  // d * (q - 16); bit i of high is the fifth bit of value i
  uint16_t d;
  uint16_t high[2];
  uint8_t q[16];
};
struct BlockQ51 {  // d * q + m
  uint16_t d, m;
  uint16_t high[2];
  uint8_t q[16];
};
struct BlockQ80 {  // d * q
  uint16_t d;
  int8_t q[32];
};

// Eight groups of 32: d * scale * q - min * offset. Scales and offsets have 6 bits: bytes 0..3 hold
// the low ones' scales, 4..7 their offsets, 8..11 the low nibbles of the other four scales and
// offsets, whose upper two bits are the top bits of bytes 0..3 and 4..7.
struct BlockQ4K {
  uint16_t d, min;
  uint8_t scales[12];
  uint8_t q[128];  // 32 bytes hold two groups
};
struct BlockQ5K {
  uint16_t d, min;
  uint8_t scales[12];
  uint8_t high[32];  // bit g of byte i: the fifth bit of value i of group g
  uint8_t q[128];
};
// Sixteen groups of 16: d * scale * (q - 32). Two halves of 128 values, each four runs of 32: the
// low nibbles of low[0..31] and low[32..63], then the high ones; the upper two bits of run r are
// bits 2r and 2r + 1 of high[0..31].
struct BlockQ6K {
  uint8_t low[128];
  uint8_t high[64];
  int8_t scales[16];
  uint16_t d;
};

static_assert(sizeof(BlockQ40) == 18 && sizeof(BlockQ41) == 20 && sizeof(BlockQ50) == 22);
static_assert(sizeof(BlockQ51) == 24 && sizeof(BlockQ80) == 34);
static_assert(sizeof(BlockQ4K) == 144 && sizeof(BlockQ5K) == 176 && sizeof(BlockQ6K) == 210);

}  // namespace restkv::kernels
