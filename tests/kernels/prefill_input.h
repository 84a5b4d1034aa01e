// Inputs of the prefill kernels' tests, and what runs them over all units.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/prefill_attention.h"
#include "tests/random.h"

namespace restkv::kernels {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

struct Shape {
  int64_t n_key, n_row, d;
  int64_t n_head = 1;
  int64_t window = 0;
  bool causal = true;
  ElementType type = ElementType::f16;
};

// Odd counts of keys and rows, rows that end within a block, all head widths in use and odd ones.
inline std::vector<Shape> shapes() {
  return {{1, 1, 64},
          {5, 5, 16, 2},
          {127, 127, 64},
          {128, 128, 80, 3},
          {129, 1, 64},
          {130, 129, 96, 1, 0, true, ElementType::f32},
          {300, 300, 112, 2},
          {517, 33, 128, 2},
          {400, 140, 256},
          {260, 260, 48, 1, 70},
          {700, 300, 64, 2, 128},
          {700, 290, 64, 1, 1},
          {333, 50, 64, 2, 0, false},
          {290, 17, 80, 2, 40},
          {163, 163, 96, 2, 45},
          {161, 47, 128, 1, 0, false},
          {200, 40, 33, 1, 0, true, ElementType::f32},
          {150, 150, 7, 2},
          {290, 9, 100, 1, 0, false, ElementType::f32}};
}

struct Input {
  explicit Input(const Shape& shape, float key_scale = 1.0f)
      : shape(shape),
        stride(shape.d + 3),
        keys(random_floats(shape.n_key * stride, 1, key_scale)),
        values(random_floats(shape.n_key * stride, 2)),
        queries(random_floats(shape.n_row * shape.n_head * (shape.d + 1), 3)) {}

  // Rows of [n_key][d] in a wider buffer; the last row must not end it later than the view says.
  RowsView view(std::vector<float>& floats, std::vector<uint16_t>& halves) const {
    const size_t used = 1 + (shape.n_key - 1) * stride + shape.d;
    floats.resize(used);
    floats = shape.type == ElementType::f16 ? rounded_to_half(floats) : floats;
    halves = to_halves(floats);
    const bool half = shape.type == ElementType::f16;
    return {half ? static_cast<const void*>(halves.data() + 1) : floats.data() + 1, shape.type,
            shape.n_key, shape.d, stride};
  }

  PrefillQueries query_view() const {  // [n_row][n_head][d + 1]
    return {queries.data(),
            shape.n_head * (shape.d + 1),
            shape.d + 1,
            shape.n_head,
            shape.n_row,
            shape.d,
            1.0f / std::sqrt(static_cast<float>(shape.d)),
            shape.n_key,
            shape.n_key - shape.n_row + 1,
            shape.causal,
            shape.window};
  }

  Shape shape;
  int64_t stride;
  std::vector<float> keys, values, queries;
};

struct alignas(64) Line {
  unsigned char bytes[64];
};

inline std::vector<Line> lines(size_t bytes) {
  return std::vector<Line>(bytes / sizeof(Line) + 1);
}

struct Packed {
  Packed(const PrefillAttentionKernels& kernels, Input& input, int64_t n_key)
      : memory(lines(kernels.packed_bytes(n_key, input.shape.d))) {
    std::fill_n(reinterpret_cast<float*>(memory.data()), memory.size() * 16, kNaN);
    std::vector<uint16_t> key_halves, value_halves;
    const PackKeys args{input.view(input.keys, key_halves), input.view(input.values, value_halves),
                        n_key, memory.data()};
    for (int64_t b = n_key_blocks(n_key) - 1; b >= 0; --b)
      kernels.pack(args, b, 1);
  }
  std::vector<Line> memory;
};

struct Output {
  std::vector<float> rows;  // [n_head][n_row][d]
  std::vector<float> lse;
};

inline Output attend(const PrefillAttentionKernels& kernels, const Packed& packed,
                     const PrefillQueries& queries, const BlockSelection& selection = {}) {
  Output out;
  out.rows.assign(queries.n_head * queries.n_row * queries.head_dim, kNaN);
  out.lse.assign(queries.n_head * queries.n_row, kNaN);
  std::vector<Line> scratch = lines(kernels.scratch_bytes(queries.head_dim));
  PrefillAttention args{packed.memory.data(), queries, selection};
  args.output = out.rows.data();
  args.output_row_stride = queries.head_dim;
  args.output_head_stride = queries.n_row * queries.head_dim;
  args.lse = out.lse.data();
  for (int64_t unit = n_attend_units(queries) - 1; unit >= 0; --unit)
    kernels.attend(args, unit, scratch.data());
  return out;
}

inline Output attend_all(const PrefillAttentionKernels& kernels, Input& input) {
  return attend(kernels, Packed(kernels, input, input.shape.n_key), input.query_view());
}

inline std::string name_of(const Shape& shape) {
  return std::to_string(shape.n_key) + " keys, " + std::to_string(shape.n_row) + " rows, d " +
         std::to_string(shape.d);
}

class PrefillKernelsTest : public testing::TestWithParam<int> {
 protected:
  static const PrefillAttentionKernels& kernels() {
    return *supported_kernels()[GetParam()].prefill_attention;
  }
  static bool exact() { return !supported_kernels()[GetParam()].name.ends_with("bf16"); }
};

inline std::string variant_name(const testing::TestParamInfo<int>& info) {
  return std::string(supported_kernels()[info.param].name);
}

}  // namespace restkv::kernels
