#include <bit>
#include <cmath>

#include "core/half.h"
#include "kernels/dequant_rows.h"

namespace restkv::kernels {
namespace {

uint16_t round_to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

float widen(uint16_t bf16) {
  return std::bit_cast<float>(static_cast<uint32_t>(bf16) << 16);
}

// Value i of `q`, the nibbles of 32 values.
int nibble(const uint8_t* q, int i) {
  return i < 16 ? q[i] & 15 : q[i - 16] >> 4;
}

int high_bit(const uint16_t (&high)[2], int i) {
  return (high[i / 16] >> (i % 16)) & 1;
}

int scale_of(const uint8_t (&s)[12], int group) {
  return group < 4 ? s[group] & 63 : (s[group + 4] & 15) | ((s[group - 4] >> 6) << 4);
}

int offset_of(const uint8_t (&s)[12], int group) {
  return group < 4 ? s[group + 4] & 63 : (s[group + 4] >> 4) | ((s[group] >> 6) << 4);
}

float value(const BlockQ40& b, int i) {
  return static_cast<float>(nibble(b.q, i) - 8) * half_to_float(b.d);
}

float value(const BlockQ41& b, int i) {
  return static_cast<float>(nibble(b.q, i)) * half_to_float(b.d) + half_to_float(b.m);
}

float value(const BlockQ50& b, int i) {
  const int q = nibble(b.q, i) + 16 * high_bit(b.high, i);
  return static_cast<float>(q - 16) * half_to_float(b.d);
}

float value(const BlockQ51& b, int i) {
  const int q = nibble(b.q, i) + 16 * high_bit(b.high, i);
  return static_cast<float>(q) * half_to_float(b.d) + half_to_float(b.m);
}

float value(const BlockQ80& b, int i) {
  return static_cast<float>(b.q[i]) * half_to_float(b.d);
}

template <typename Block>
float scaled_group(const Block& b, int group, int q) {
  const float d = half_to_float(b.d) * static_cast<float>(scale_of(b.scales, group));
  const float m = half_to_float(b.min) * static_cast<float>(offset_of(b.scales, group));
  return d * static_cast<float>(q) - m;
}

// The nibble of value i of 256: 32 bytes hold two groups of 32.
int group_nibble(const uint8_t* q, int i) {
  const int byte = q[i / 64 * 32 + i % 32];
  return i / 32 % 2 == 0 ? byte & 15 : byte >> 4;
}

float value(const BlockQ4K& b, int i) {
  return scaled_group(b, i / 32, group_nibble(b.q, i));
}

float value(const BlockQ5K& b, int i) {
  const int high = (b.high[i % 32] >> (i / 32)) & 1;
  return scaled_group(b, i / 32, group_nibble(b.q, i) + 16 * high);
}

float value(const BlockQ6K& b, int i) {
  const int half = i / 128;
  const int run = i / 32 % 4;
  const int byte = b.low[half * 64 + run % 2 * 32 + i % 32];
  const int low = run < 2 ? byte & 15 : byte >> 4;
  const int high = (b.high[half * 32 + i % 32] >> (2 * run)) & 3;
  const int8_t scale = b.scales[i / 16];
  const float d = half_to_float(b.d) * static_cast<float>(scale);
  return d * static_cast<float>(low + 16 * high - 32);
}

void put(float value, uint16_t* out) {
  *out = round_to_bf16(value);
}

void put(float value, float* out) {
  *out = value;
}

template <typename Block, int kSize, typename Out>
void decode(const void* row, int64_t k, Out* out) {
  const auto* block = static_cast<const Block*>(row);
  for (int64_t i = 0; i < k; ++i)
    put(value(block[i / kSize], static_cast<int>(i % kSize)), out + i);
}

template <typename Out>
void decode_row(WeightType type, const void* row, int64_t k, Out* out) {
  switch (type) {
    case WeightType::f32:
      for (int64_t i = 0; i < k; ++i)
        put(static_cast<const float*>(row)[i], out + i);
      return;
    case WeightType::f16:
      for (int64_t i = 0; i < k; ++i)
        put(half_to_float(static_cast<const uint16_t*>(row)[i]), out + i);
      return;
    case WeightType::bf16:
      for (int64_t i = 0; i < k; ++i)
        put(widen(static_cast<const uint16_t*>(row)[i]), out + i);
      return;
    case WeightType::q4_0:
      return decode<BlockQ40, 32>(row, k, out);
    case WeightType::q4_1:
      return decode<BlockQ41, 32>(row, k, out);
    case WeightType::q5_0:
      return decode<BlockQ50, 32>(row, k, out);
    case WeightType::q5_1:
      return decode<BlockQ51, 32>(row, k, out);
    case WeightType::q8_0:
      return decode<BlockQ80, 32>(row, k, out);
    case WeightType::q4_k:
      return decode<BlockQ4K, 256>(row, k, out);
    case WeightType::q5_k:
      return decode<BlockQ5K, 256>(row, k, out);
    case WeightType::q6_k:
      return decode<BlockQ6K, 256>(row, k, out);
  }
}

template <typename Out>
void decode_rows(const WeightRows& rows, int64_t first, int64_t n_row, Out* out) {
  for (int64_t r = first; r < first + n_row; ++r, out += rows.k)
    decode_row(rows.type, static_cast<const uint8_t*>(rows.data) + r * rows.row_bytes, rows.k, out);
}

void floats_to_bf16(const float* in, int64_t n, uint16_t* out) {
  for (int64_t i = 0; i < n; ++i)
    out[i] = round_to_bf16(in[i]);
}

void bf16_to_floats(const uint16_t* in, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i)
    out[i] = widen(in[i]);
}

}  // namespace

const DequantKernels kDequantRef = {decode_rows<uint16_t>, decode_rows<float>, floats_to_bf16,
                                    bf16_to_floats};

}  // namespace restkv::kernels
