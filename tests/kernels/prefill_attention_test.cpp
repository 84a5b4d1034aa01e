// Attention of every variant of the prefill kernels against the plain loop.
#include <bit>

#include "tests/kernels/prefill_input.h"

namespace restkv::kernels {
namespace {

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

// Each block outgrows all before it by far more than a float's range: everything is rescaled.
TEST_P(PrefillKernelsTest, RisingLogits) {
  for (float step : {0.5f, -0.5f, 4.0f}) {
    Input input({520, 130, 64, 1, 0, true, ElementType::f32});
    // Times the scale and log2(e) this is 1, and keys less their mean are exact in bfloat16.
    std::fill(input.queries.begin(), input.queries.end(), 8.0f * 0.69314718f);
    for (int64_t j = 0; j < 520; ++j)
      std::fill_n(input.keys.begin() + 1 + j * input.stride, 64, step * static_cast<float>(j));
    const Output actual = attend_all(kernels(), input);
    const Output expected = attend_all(kPrefillAttentionRef, input);
    for (size_t i = 0; i < expected.rows.size(); ++i)
      ASSERT_NEAR(actual.rows[i], expected.rows[i], exact() ? 1e-3 : 1e-2) << step;
  }
}

TEST_P(PrefillKernelsTest, NanQueriesEnd) {
  Input input({300, 40, 64});
  std::fill_n(input.queries.begin(), 65, kNaN);
  const Output out = attend_all(kernels(), input);
  EXPECT_TRUE(std::isnan(out.rows[0]));
  EXPECT_TRUE(std::isfinite(out.rows[64]));
}

INSTANTIATE_TEST_SUITE_P(Supported, PrefillKernelsTest,
                         testing::Range(0, static_cast<int>(supported_kernels().size())),
                         variant_name);

}  // namespace
}  // namespace restkv::kernels
