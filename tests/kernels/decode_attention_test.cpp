// Decode attention: every vector variant that this machine runs, and the plain loops themselves
// against sums in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/dispatch.h"
#include "tests/random.h"

namespace restkv::kernels {
namespace {

struct Shape {
  RowType type;
  int64_t n, d, n_query;
  int64_t n_rot = 0;  // 0: keys lie turned
  bool halves = false;
};

size_t row_bytes_of(RowType type, int64_t d) {
  if (type == RowType::f16) return 2 * d;
  return d / 32 * (type == RowType::q8_0 ? 34 : 18);
}

// Rows that end where their memory ends, so that a sanitizer sees what reads beyond them.
std::vector<std::byte> random_rows(const Shape& shape, uint32_t seed) {
  const size_t bytes = row_bytes_of(shape.type, shape.d);
  std::vector<std::byte> rows(bytes * shape.n);
  const std::vector<uint16_t> halves = to_halves(random_floats(shape.n * shape.d, seed));
  if (shape.type == RowType::f16) {
    std::memcpy(rows.data(), halves.data(), rows.size());
    return rows;
  }
  std::mt19937 generator(seed);
  for (std::byte& b : rows)
    b = static_cast<std::byte>(generator());
  const size_t block = shape.type == RowType::q8_0 ? 34 : 18;
  const float factor = shape.type == RowType::q8_0 ? 0.01f : 0.2f;
  for (size_t at = 0; at < rows.size(); at += block) {
    const uint16_t half = float_to_half(factor * (1.0f + static_cast<float>(at / block % 7)) / 4);
    std::memcpy(rows.data() + at, &half, sizeof half);
  }
  return rows;
}

float value_at(const std::vector<std::byte>& rows, const Shape& shape, int64_t row, int64_t c) {
  const std::byte* p = rows.data() + row * row_bytes_of(shape.type, shape.d);
  uint16_t half;
  if (shape.type == RowType::f16) {
    std::memcpy(&half, p + 2 * c, 2);
    return half_to_float(half);
  }
  p += c / 32 * (shape.type == RowType::q8_0 ? 34 : 18);
  std::memcpy(&half, p, 2);
  const int64_t at = c % 32;
  if (shape.type == RowType::q8_0) return half_to_float(half) * static_cast<int8_t>(p[2 + at]);
  const int pair = std::to_integer<int>(p[2 + at % 16]);
  return half_to_float(half) * static_cast<float>((at < 16 ? pair % 16 : pair / 16) - 8);
}

// Cosines and sines of angles that fall with the dimension, [n][n_rot], times a magnitude.
std::vector<float> angles(const Shape& shape) {
  std::vector<float> table(shape.n * shape.n_rot);
  const int64_t half = shape.n_rot / 2;
  for (int64_t i = 0; i < shape.n; ++i) {
    for (int64_t j = 0; j < half; ++j) {
      const double angle = static_cast<double>(i) * std::pow(100.0, -static_cast<double>(j) / half);
      float* row = table.data() + i * shape.n_rot;
      row[shape.halves ? j : 2 * j] = static_cast<float>(1.1 * std::cos(angle));
      row[shape.halves ? half + j : 2 * j + 1] = static_cast<float>(1.1 * std::sin(angle));
    }
  }
  return table;
}

// A head with everything that a call needs, and what it yields.
struct Head {
  explicit Head(const Shape& s)
      : shape(s),
        keys(random_rows(s, 1)),
        values(random_rows(s, 2)),
        table(angles(s)),
        queries(random_floats(s.n_query * s.d, 3)),
        sums(s.n_query * s.d, -7.0f),
        tops(s.n_query),
        totals(s.n_query),
        scratch(decode_scratch_floats(s.n_query, s.d)) {}

  DecodePart part(int64_t first, int64_t last) {
    const size_t bytes = row_bytes_of(shape.type, shape.d);
    DecodePart p;
    p.keys = keys.data() + first * bytes;
    p.values = values.data() + first * bytes;
    p.row_bytes = bytes;
    p.type = shape.type;
    p.n_entry = last - first;
    p.head_dim = shape.d;
    if (shape.n_rot > 0) p.turns = {table.data() + first * shape.n_rot, shape.n_rot, shape.halves};
    p.queries = queries.data();
    p.n_query = shape.n_query;
    p.scale = 0.35f;
    p.sums = sums.data();
    p.tops = tops.data();
    p.totals = totals.data();
    p.scratch = scratch.data();
    return p;
  }

  Shape shape;
  std::vector<std::byte> keys, values;
  std::vector<float> table, queries, sums, tops, totals, scratch;
};

std::vector<double> key_of(const Head& head, int64_t i) {
  const Shape& s = head.shape;
  std::vector<double> key(s.d);
  for (int64_t c = 0; c < s.d; ++c)
    key[c] = value_at(head.keys, s, i, c);
  const int64_t half = s.n_rot / 2;
  for (int64_t j = 0; j < half; ++j) {
    const int64_t a = s.halves ? j : 2 * j, b = s.halves ? half + j : 2 * j + 1;
    const double c = head.table[i * s.n_rot + a], e = head.table[i * s.n_rot + b];
    const double x = key[a], y = key[b];
    key[a] = x * c - y * e;
    key[b] = x * e + y * c;
  }
  return key;
}

// [n_query][d], in double.
std::vector<double> plain_attention(const Head& head) {
  const Shape& s = head.shape;
  std::vector<double> out(s.n_query * s.d, 0.0);
  for (int64_t q = 0; q < s.n_query; ++q) {
    std::vector<double> logits;
    for (int64_t i = 0; i < s.n; ++i) {
      const std::vector<double> key = key_of(head, i);
      double dot = 0;
      for (int64_t c = 0; c < s.d; ++c)
        dot += key[c] * head.queries[q * s.d + c];
      logits.push_back(0.35 * dot);
    }
    const double top = *std::ranges::max_element(logits);
    double total = 0;
    for (double& logit : logits)
      total += logit = std::exp(logit - top);
    for (int64_t i = 0; i < s.n; ++i) {
      for (int64_t c = 0; c < s.d; ++c)
        out[q * s.d + c] += logits[i] / total * value_at(head.values, s, i, c);
    }
  }
  return out;
}

std::vector<Shape> shapes() {
  std::vector<Shape> list;
  for (const RowType type : {RowType::f16, RowType::q8_0, RowType::q4_0}) {
    for (const int64_t d : {64, 80, 96, 128, 256}) {
      if (type != RowType::f16 && d % 32 != 0) continue;
      for (const int64_t n : {1, 3, 64, 65, 200})
        list.push_back({type, n, d, 1 + (n + d / 16) % 17});
      for (const bool halves : {false, true}) {
        for (const int64_t n_rot : {d, d / 4, int64_t{20}})
          list.push_back({type, 70, d, 3, n_rot, halves});
      }
    }
    for (const int64_t n_query : {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 19})
      list.push_back({type, 67, 64, n_query});
  }
  for (const int64_t d : {2, 8, 17, 40, 50})
    list.push_back({RowType::f16, 67, d, 3});
  return list;
}

std::string describe(const Shape& s) {
  return "type " + std::to_string(static_cast<int>(s.type)) + ", " + std::to_string(s.n) +
         " entries of " + std::to_string(s.d) + ", " + std::to_string(s.n_query) +
         " queries, n_rot " + std::to_string(s.n_rot) + (s.halves ? " halves" : "");
}

class DecodeAttentionTest : public testing::TestWithParam<int> {
 protected:
  static const DecodeAttentionKernels& kernels() {
    return *supported_kernels()[GetParam()].decode_attention;
  }
};

void expect_close(const std::vector<float>& actual, const std::vector<double>& expected) {
  double scale = 1e-30;
  for (const double x : expected)
    scale = std::max(scale, std::fabs(x));
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(actual[i], expected[i], 3e-6 * scale) << "at " << i;
}

TEST_P(DecodeAttentionTest, EqualsSumsInDouble) {
  for (const Shape& shape : shapes()) {
    SCOPED_TRACE(describe(shape));
    Head head(shape);
    kernels().attend(head.part(0, shape.n));
    const DecodePartial whole{head.sums.data(), head.tops.data(), head.totals.data()};
    merge_parts(&whole, 1, shape.n_query, shape.d, head.sums.data());
    expect_close(head.sums, plain_attention(head));
    if (HasFatalFailure()) return;
  }
}

// Parts of any length, merged in order.
TEST_P(DecodeAttentionTest, PartsMergeToTheWhole) {
  const Shape shape{RowType::f16, 300, 64, 5, 64, true};
  Head whole(shape);
  std::vector<Head> parts(4, whole);
  const int64_t ends[] = {0, 1, 65, 129, 300};
  std::vector<DecodePartial> partials;
  for (int i = 0; i < 4; ++i) {
    kernels().attend(parts[i].part(ends[i], ends[i + 1]));
    partials.push_back({parts[i].sums.data(), parts[i].tops.data(), parts[i].totals.data()});
  }
  std::vector<float> merged(shape.n_query * shape.d);
  merge_parts(partials.data(), 4, shape.n_query, shape.d, merged.data());
  expect_close(merged, plain_attention(whole));
}

// Logits that differ by more than any weight can hold: the largest wins, in every order.
TEST_P(DecodeAttentionTest, ExtremeLogitsStayFinite) {
  for (const float scale : {-1e4f, 1e4f, 1e30f}) {
    const Shape shape{RowType::f16, 150, 64, 3};
    Head head(shape), plain(shape);
    DecodePart part = head.part(0, shape.n), expected = plain.part(0, shape.n);
    part.scale = expected.scale = scale;
    kernels().attend(part);
    kDecodeAttentionRef.attend(expected);
    for (int64_t q = 0; q < shape.n_query; ++q) {
      ASSERT_NEAR(head.totals[q], plain.totals[q], 1e-3 * plain.totals[q]);
      for (int64_t c = 0; c < shape.d; ++c)
        ASSERT_NEAR(head.sums[q * shape.d + c], plain.sums[q * shape.d + c], 5e-3);
    }
  }
}

TEST_P(DecodeAttentionTest, ANanInAKeyOrAValueIsSeen) {
  for (const bool in_key : {true, false}) {
    Head head({RowType::f16, 100, 64, 3});
    const uint16_t nan = 0x7e00;
    std::memcpy((in_key ? head.keys : head.values).data() + 70 * 128 + 2 * 5, &nan, sizeof nan);
    kernels().attend(head.part(0, 100));
    for (int64_t q = 0; q < 3; ++q)
      EXPECT_TRUE(std::isnan(head.sums[q * 64 + 5])) << in_key;
  }
}

// Lengths stay but for the magnitude, and what lies behind n_rot does too.
TEST_P(DecodeAttentionTest, TurnsAreRotations) {
  for (const int64_t n_rot : {2, 6, 20, 32, 64, 80}) {
    for (const bool halves : {false, true}) {
      const Shape shape{RowType::f16, 4, 80, 1, n_rot, halves};
      const std::vector<float> table = angles(shape), x = random_floats(80, 5);
      const float* row = table.data() + 3 * n_rot;
      std::vector<float> y = x;
      kernels().turn({row, n_rot, halves}, y.data());
      const int64_t half = n_rot / 2;
      for (int64_t j = 0; j < half; ++j) {
        const int64_t a = halves ? j : 2 * j, b = halves ? half + j : 2 * j + 1;
        EXPECT_NEAR(y[a], x[a] * row[a] - x[b] * row[b], 1e-6);
        EXPECT_NEAR(y[b], x[a] * row[b] + x[b] * row[a], 1e-6);
      }
      EXPECT_TRUE(std::equal(y.begin() + n_rot, y.end(), x.begin() + n_rot));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, DecodeAttentionTest,
                         testing::Range(0, static_cast<int>(supported_kernels().size())),
                         [](const auto& info) {
                           return std::string(supported_kernels()[info.param].name);
                         });

}  // namespace
}  // namespace restkv::kernels
