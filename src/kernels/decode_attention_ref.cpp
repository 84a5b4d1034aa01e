#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/half.h"
#include "kernels/decode_attention.h"

namespace restkv::kernels {
namespace {

constexpr int64_t kQuantBlock = 32;

float half_at(const std::byte* p) {
  uint16_t half;
  std::memcpy(&half, p, sizeof half);
  return half_to_float(half);
}

float load(const std::byte* row, RowType type, int64_t c) {
  if (type == RowType::f16) return half_at(row + 2 * c);
  const int64_t block = c / kQuantBlock, at = c % kQuantBlock;
  if (type == RowType::q8_0) {
    const std::byte* p = row + block * 34;
    return static_cast<float>(static_cast<int8_t>(p[2 + at])) * half_at(p);
  }
  const std::byte* p = row + block * 18;
  const auto pair = static_cast<int>(p[2 + at % 16]);
  return static_cast<float>((at < 16 ? pair & 15 : pair >> 4) - 8) * half_at(p);
}

void turn_row(const Turns& turns, const float* cos_sin, float* x) {
  const int64_t half = turns.n_rot / 2;
  for (int64_t j = 0; j < half; ++j) {
    const int64_t a = turns.halves ? j : 2 * j, b = turns.halves ? half + j : 2 * j + 1;
    const float c = cos_sin[a], s = cos_sin[b], x_a = x[a], x_b = x[b];
    x[a] = x_a * c - x_b * s;
    x[b] = x_a * s + x_b * c;
  }
}

void turn(const Turns& turns, float* x) {
  turn_row(turns, turns.cos_sin, x);
}

// One entry's part in the sums of query q; what is there already shrinks when the top rises.
void add_entry(const DecodePart& part, int64_t q, const float* key, const std::byte* value,
               double* sums) {
  const int64_t d = part.head_dim;
  double dot = 0.0;
  for (int64_t c = 0; c < d; ++c)
    dot += static_cast<double>(part.queries[q * d + c]) * key[c];
  const auto exponent = static_cast<float>(dot * part.scale * 1.4426950408889634);
  const float top = std::max(part.tops[q], exponent);
  const double shrink = part.tops[q] == top ? 1.0 : std::exp2(double{part.tops[q]} - top);
  const double weight = std::exp2(double{exponent} - top);
  part.tops[q] = top;
  double* total = sums + d;
  *total = *total * shrink + weight;
  for (int64_t c = 0; c < d; ++c)
    sums[c] = sums[c] * shrink + weight * load(value, part.type, c);
}

void attend_one(const DecodePart& part, int64_t q) {
  const int64_t d = part.head_dim;
  // The scratch holds a row of floats and d + 1 doubles.
  auto* sums =
      reinterpret_cast<double*>((reinterpret_cast<uintptr_t>(part.scratch) + 7) & ~uintptr_t{7});
  auto* key = reinterpret_cast<float*>(sums + d + 1);
  std::fill(sums, sums + d + 1, 0.0);
  part.tops[q] = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < part.n_entry; ++i) {
    for (int64_t c = 0; c < d; ++c)
      key[c] = load(part.keys + i * part.row_bytes, part.type, c);
    if (part.turns.cos_sin != nullptr)
      turn_row(part.turns, part.turns.cos_sin + i * part.turns.n_rot, key);
    add_entry(part, q, key, part.values + i * part.row_bytes, sums);
  }
  std::copy(sums, sums + d, part.sums + q * d);
  part.totals[q] = static_cast<float>(sums[d]);
}

void attend(const DecodePart& part) {
  for (int64_t q = 0; q < part.n_query; ++q)
    attend_one(part, q);
}

}  // namespace

void merge_parts(const DecodePartial* parts, int64_t n_part, int64_t n_query, int64_t head_dim,
                 float* output) {
  for (int64_t q = 0; q < n_query; ++q) {
    float top = parts[0].tops[q];
    for (int64_t i = 1; i < n_part; ++i)
      top = std::max(top, parts[i].tops[q]);
    float total = 0.0f;
    for (int64_t i = 0; i < n_part; ++i)
      total += std::exp2(parts[i].tops[q] - top) * parts[i].totals[q];
    float* out = output + q * head_dim;
    for (int64_t i = 0; i < n_part; ++i) {
      const float weight = std::exp2(parts[i].tops[q] - top) / total;
      const float* sums = parts[i].sums + q * head_dim;
      for (int64_t c = 0; c < head_dim; ++c)
        out[c] = weight * sums[c] + (i == 0 ? 0.0f : out[c]);
    }
  }
}

const DecodeAttentionKernels kDecodeAttentionRef = {attend, turn};

}  // namespace restkv::kernels
