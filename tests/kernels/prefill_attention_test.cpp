// Every variant of the prefill kernels against the plain loops.
#include "kernels/prefill_attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "kernels/dispatch.h"
#include "tests/random.h"

namespace restkv::kernels {
namespace {

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
std::vector<Shape> shapes() {
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

std::vector<Line> lines(size_t bytes) {
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

Output attend(const PrefillAttentionKernels& kernels, const Packed& packed,
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

Output attend_all(const PrefillAttentionKernels& kernels, Input& input) {
  return attend(kernels, Packed(kernels, input, input.shape.n_key), input.query_view());
}

// What bfloat16 weights and values may move; outputs are sums of values of size 1.
void expect_close(const Output& actual, const Output& expected, bool exact, const char* what) {
  double squares = 0.0;
  for (size_t i = 0; i < expected.rows.size(); ++i) {
    const float size = std::fabs(expected.rows[i]);
    const float tolerance = exact ? 2e-6f + 2e-6f * size : 1e-2f + 8e-3f * size;
    ASSERT_NEAR(actual.rows[i], expected.rows[i], tolerance) << what << " at " << i;
    squares += std::pow(double{actual.rows[i]} - expected.rows[i], 2.0);
  }
  ASSERT_LE(std::sqrt(squares / static_cast<double>(expected.rows.size())), 2e-3) << what;
  for (size_t i = 0; i < expected.lse.size(); ++i) {
    if (expected.lse[i] == -kInf) {
      ASSERT_EQ(actual.lse[i], -kInf);
    } else {
      ASSERT_NEAR(actual.lse[i], expected.lse[i], exact ? 4e-6f : 1e-2f) << what << " at " << i;
    }
  }
}

std::string name_of(const Shape& shape) {
  return std::to_string(shape.n_key) + " keys, " + std::to_string(shape.n_row) + " rows, d " +
         std::to_string(shape.d);
}

class PrefillKernelsTest : public testing::TestWithParam<int> {
 protected:
  static const PrefillAttentionKernels& kernels() {
    return *supported_kernels()[GetParam()].prefill_attention;
  }
  static bool exact() { return &kernels() != bf16_kernels(); }
  static const PrefillAttentionKernels* bf16_kernels() {
#ifdef RESTKV_X86_KERNELS
    return &kPrefillAttentionAvx512Bf16;
#else
    return nullptr;
#endif
  }
};

TEST_P(PrefillKernelsTest, AttendIsThePlainLoop) {
  for (const Shape& shape : shapes()) {
    Input input(shape);
    const Output actual = attend_all(kernels(), input);
    expect_close(actual, attend_all(kPrefillAttentionRef, input), exact(), name_of(shape).c_str());
  }
}

TEST_P(PrefillKernelsTest, LongRowsAreCloser) {
  Input input({2500, 40, 64});
  const Output actual = attend_all(kernels(), input);
  const Output expected = attend_all(kPrefillAttentionRef, input);
  for (size_t i = 0; i < expected.rows.size(); ++i)
    ASSERT_NEAR(actual.rows[i], expected.rows[i], exact() ? 1e-6 : 5e-4);
}

TEST_P(PrefillKernelsTest, LogSumExpAloneIsAttends) {
  for (const Shape& shape : shapes()) {
    Input input(shape);
    const Packed packed(kernels(), input, shape.n_key);
    const PrefillQueries queries = input.query_view();
    const Output whole = attend(kernels(), packed, queries);
    std::vector<Line> scratch = lines(kernels().scratch_bytes(shape.d));
    std::vector<float> lse(whole.lse.size(), kNaN);
    PrefillAttention args{packed.memory.data(), queries};
    args.lse = lse.data();
    for (int64_t unit = 0; unit < n_attend_units(queries); ++unit)
      kernels().log_sum_exp(args, unit, scratch.data());
    EXPECT_EQ(lse, whole.lse) << name_of(shape);
  }
}

TEST_P(PrefillKernelsTest, SelectedBlocksAlone) {
  Input input({900, 300, 64, 2});
  // Units of 3 query blocks a head, n_key_blocks 8; one has nothing, one a block that lies ahead.
  const std::vector<int32_t> offsets = {0, 2, 2, 6, 7, 9, 10};
  const std::vector<int32_t> blocks = {0, 5, 1, 3, 6, 7, 7, 2, 4, 6};
  const BlockSelection selection{offsets.data(), blocks.data()};
  const PrefillQueries queries = input.query_view();
  const Packed packed(kernels(), input, 900);
  const Packed plain(kPrefillAttentionRef, input, 900);
  const Output actual = attend(kernels(), packed, queries, selection);
  const Output expected = attend(kPrefillAttentionRef, plain, queries, selection);
  expect_close(actual, expected, exact(), "selection");
  EXPECT_EQ(actual.rows[130 * 64], 0.0f);  // head 0, block 1: no keys
  EXPECT_EQ(actual.lse[130], -kInf);
}

TEST_P(PrefillKernelsTest, AllBlocksSelectedIsDense) {
  Input input({300, 300, 64});
  const std::vector<int32_t> offsets = {0, 3, 6, 9};
  const std::vector<int32_t> blocks = {0, 1, 2, 0, 1, 2, 0, 1, 2};
  const Packed packed(kernels(), input, 300);
  const Output dense = attend(kernels(), packed, input.query_view());
  const Output listed =
      attend(kernels(), packed, input.query_view(), {offsets.data(), blocks.data()});
  EXPECT_EQ(dense.rows, listed.rows);
  EXPECT_EQ(dense.lse, listed.lse);
}

TEST_P(PrefillKernelsTest, WhatIsNotSeenDoesNotCount) {
  for (int64_t last : {0, 127, 128, 300}) {
    const Shape shape{500, 1, 64};
    Input input(shape);
    input.shape.n_row = 1;
    PrefillQueries queries = input.query_view();
    queries.first_visible = last + 1;
    const Output before = attend(kernels(), Packed(kernels(), input, 500), queries);
    // Rows of the block are packed together, and must be finite; later blocks and rows that are
    // not packed may hold anything.
    for (int64_t j = last + 1; j < 500; ++j) {
      const bool same_block = j / kKeyBlock == last / kKeyBlock;
      std::fill_n(input.values.begin() + 1 + j * input.stride, 64, same_block ? 1e4f : kNaN);
      if (!same_block) std::fill_n(input.keys.begin() + 1 + j * input.stride, 64, kNaN);
    }
    const Output after = attend(kernels(), Packed(kernels(), input, 500), queries);
    EXPECT_EQ(before.rows, after.rows) << last;
    EXPECT_EQ(before.lse, after.lse) << last;
  }
}

TEST_P(PrefillKernelsTest, RowsBeyondNKeyAreNotRead) {
  Input input({500, 77, 80, 2});
  PrefillQueries queries = input.query_view();
  queries.n_key = 333;
  queries.first_visible = 333 - 76;
  const Output before = attend(kernels(), Packed(kernels(), input, 333), queries);
  std::fill(input.keys.begin() + 1 + 333 * input.stride, input.keys.end(), kNaN);
  std::fill(input.values.begin() + 1 + 333 * input.stride, input.values.end(), kNaN);
  const Output after = attend(kernels(), Packed(kernels(), input, 333), queries);
  EXPECT_EQ(before.rows, after.rows);
  for (float value : before.rows)
    ASSERT_TRUE(std::isfinite(value));
}

// The border to a key: a key of weight 1 that only the rows from its own on may see.
TEST_P(PrefillKernelsTest, TheBorderIsExact) {
  const int64_t n = 400, d = 64;
  for (int64_t window : {0, 150}) {
    Input input({n, n, d, 1, window});
    for (int64_t key : {0, 1, 127, 128, 200, 383, 399}) {
      std::fill(input.keys.begin(), input.keys.end(), 0.0f);
      std::fill(input.queries.begin(), input.queries.end(), 0.0f);
      std::fill(input.values.begin(), input.values.end(), 0.0f);
      std::fill_n(input.values.begin() + 1 + key * input.stride, d, 1.0f);
      const Output out = attend_all(kernels(), input);
      for (int64_t r = 0; r < n; ++r) {
        const bool seen = r >= key && (window == 0 || r < key + window);
        const auto n_seen = static_cast<float>(window == 0 ? r + 1 : std::min(r + 1, window));
        ASSERT_NEAR(out.rows[r * d], seen ? 1.0f / n_seen : 0.0f, 5e-6f) << key << " " << r;
        ASSERT_NEAR(out.lse[r], std::log(n_seen), 1e-5f);
      }
    }
  }
}

TEST_P(PrefillKernelsTest, RowsThatSeeNothingAreZero) {
  Input input({200, 150, 64, 2});
  PrefillQueries queries = input.query_view();
  queries.first_visible = -100;  // rows 0 .. 100 see nothing
  const Output out = attend(kernels(), Packed(kernels(), input, 200), queries);
  EXPECT_EQ(out.rows[100 * 64 + 5], 0.0f);
  EXPECT_EQ(out.lse[100], -kInf);
  EXPECT_TRUE(std::isfinite(out.lse[101]));
  for (float value : out.rows)
    ASSERT_FALSE(std::isnan(value));
}

TEST_P(PrefillKernelsTest, BlocksCanBeAppended) {
  for (const auto& [before, after] :
       {std::pair<int64_t, int64_t>{100, 128}, {300, 301}, {256, 700}}) {
    Input input({after, 1, 80});
    Packed grown(kernels(), input, after);
    std::vector<uint16_t> key_halves, value_halves;
    PackKeys args{input.view(input.keys, key_halves), input.view(input.values, value_halves),
                  before, grown.memory.data()};
    kernels().pack(args, 0, n_key_blocks(before));
    args.n_key = after;
    const int64_t first = before / kKeyBlock;
    kernels().pack(args, first, n_key_blocks(after) - first);
    const Output actual = attend(kernels(), grown, input.query_view());
    const Output expected = attend_all(kernels(), input);
    EXPECT_EQ(actual.rows, expected.rows);
  }
}

TEST_P(PrefillKernelsTest, OutputAsBfloat16IsTheOutputRounded) {
  const Shape shape{300, 140, 70, 2};
  Input input(shape);
  const Packed packed(kernels(), input, shape.n_key);
  const PrefillQueries queries = input.query_view();
  const Output floats = attend(kernels(), packed, queries);
  std::vector<uint16_t> rounded(floats.rows.size());
  std::vector<Line> scratch = lines(kernels().scratch_bytes(shape.d));
  PrefillAttention args{packed.memory.data(), queries};
  args.output_bf16 = rounded.data();
  args.output_row_stride = shape.d;
  args.output_head_stride = shape.n_row * shape.d;
  for (int64_t unit = 0; unit < n_attend_units(queries); ++unit)
    kernels().attend(args, unit, scratch.data());
  for (size_t i = 0; i < rounded.size(); ++i) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(rounded[i]) << 16);
    ASSERT_NEAR(value, floats.rows[i], std::ldexp(std::fabs(floats.rows[i]), -8));
  }
}

std::vector<double> column_sums(const PrefillAttentionKernels& kernels, const Packed& packed,
                                const PrefillQueries& queries, const std::vector<float>& lse) {
  std::vector<double> sums(queries.n_head * queries.n_key, 0.25);
  std::vector<Line> scratch = lines(kernels.scratch_bytes(queries.head_dim));
  const ColumnSums args{packed.memory.data(), queries, lse.data(), sums.data(), queries.n_key};
  for (int64_t unit = 0; unit < n_column_units(queries); ++unit)
    kernels.column_sums(args, unit, scratch.data());
  return sums;
}

TEST_P(PrefillKernelsTest, ColumnSums) {
  std::vector<Shape> list = shapes();
  list.push_back({2200, 20, 64, 2});  // more than one span of columns
  for (const Shape& shape : list) {
    Input input(shape);
    const PrefillQueries queries = input.query_view();
    const Packed packed(kernels(), input, shape.n_key);
    const std::vector<double> actual =
        column_sums(kernels(), packed, queries, attend(kernels(), packed, queries).lse);
    const Packed plain(kPrefillAttentionRef, input, shape.n_key);
    const std::vector<double> expected = column_sums(
        kPrefillAttentionRef, plain, queries, attend(kPrefillAttentionRef, plain, queries).lse);
    double total = 0.0;
    for (size_t j = 0; j < expected.size(); ++j) {
      const double tolerance = exact() ? 2e-6 : 5e-3;
      ASSERT_NEAR(actual[j], expected[j], tolerance * (1.0 + expected[j])) << name_of(shape);
      total += actual[j] - 0.25;
    }
    const auto n_row = static_cast<double>(shape.n_row * shape.n_head);
    EXPECT_NEAR(total, n_row, 1e-4 * n_row) << name_of(shape);
  }
}

TEST_P(PrefillKernelsTest, ColumnSumsSkipRowsThatSeeNothing) {
  Input input({200, 150, 64});
  PrefillQueries queries = input.query_view();
  queries.first_visible = -100;
  const Packed packed(kernels(), input, 200);
  const std::vector<double> sums =
      column_sums(kernels(), packed, queries, attend(kernels(), packed, queries).lse);
  double total = 0.0;
  for (double sum : sums)
    total += sum - 0.25;
  EXPECT_NEAR(total, 49.0, 1e-3);
}

// Keys of a large constant and a small rest, as a key bias gives them: bfloat16 of the whole would
// lose the rest.
TEST_P(PrefillKernelsTest, KeysWithALargeBiasKeepTheirDifferences) {
  const int64_t n = 600, d = 64;
  Input input({n, 40, d});
  const std::vector<float> bias = random_floats(d, 9, 20.0f);
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t c = 0; c < d; ++c)
      input.keys[1 + j * input.stride + c] += bias[c];
  }
  const Output actual = attend_all(kernels(), input);
  const Output expected = attend_all(kPrefillAttentionRef, input);
  for (size_t i = 0; i < expected.rows.size(); ++i)
    ASSERT_NEAR(actual.rows[i], expected.rows[i], exact() ? 2e-5 : 2e-3);
}

TEST_P(PrefillKernelsTest, LargeLogitsStayFinite) {
  for (float key_scale : {30.0f, 1000.0f}) {
    Input input({300, 300, 64, 1, 0, true, ElementType::f32}, key_scale);
    const Output out = attend_all(kernels(), input);
    for (float value : out.rows)
      ASSERT_LE(std::fabs(value), 6.0f);
    for (float value : out.lse)
      ASSERT_TRUE(std::isfinite(value));
  }
}

INSTANTIATE_TEST_SUITE_P(Supported, PrefillKernelsTest,
                         testing::Range(0, static_cast<int>(supported_kernels().size())),
                         [](const testing::TestParamInfo<int>& info) {
                           return std::string(supported_kernels()[info.param].name);
                         });

}  // namespace
}  // namespace restkv::kernels
