// Column sums against a plain double loop.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "restkv/policy.h"
#include "tests/random.h"

namespace restkv {
namespace {

struct Shape {
  int64_t n_group, n_query, n_entry, d, n_masked;
};

std::vector<double> plain_sums(const ColumnSums& args) {
  const auto [n_group, n_query, d] = args.queries.shape;
  const int64_t n_entry = args.keys.n_row;
  std::vector<float> keys(n_entry * d);
  load_rows(args.keys, 0, n_entry, keys.data());
  std::vector<double> sums(n_group * n_entry, 0.0);
  std::vector<double> row(n_entry);
  for (int64_t h = 0; h < n_group; ++h) {
    for (int64_t i = 0; i < n_query; ++i) {
      const bool masked = i >= n_query - args.n_masked;
      const int64_t n_visible = masked ? n_entry - n_query + i + 1 : n_entry;
      double total = 0.0;
      for (int64_t j = 0; j < n_visible; ++j) {
        double dot = 0.0;
        for (int64_t c = 0; c < d; ++c)
          dot += static_cast<double>(args.queries.row(h, i)[c]) * keys[j * d + c];
        row[j] = std::exp(dot * args.attention_scale);
        total += row[j];
      }
      for (int64_t j = 0; j < n_visible; ++j)
        sums[h * n_entry + j] += row[j] / total;
    }
  }
  return sums;
}

TEST(ColumnSums, EqualAPlainLoop) {
  for (const Shape& shape :
       {Shape{1, 1, 1, 16, 1}, Shape{3, 1, 77, 16, 1}, Shape{1, 33, 33, 5, 33},
        Shape{2, 100, 100, 64, 100}, Shape{3, 257, 257, 16, 8}, Shape{3, 257, 257, 16, 257},
        Shape{2, 50, 400, 32, 50}, Shape{2, 50, 400, 32, 0}, Shape{1, 700, 1500, 40, 16}}) {
    const auto queries = random_floats(shape.n_group * shape.n_query * shape.d, 1, 2.0f);
    const auto keys = rounded_to_half(random_floats(shape.n_entry * shape.d, 2));
    const auto halves = to_halves(keys);
    ColumnSums args;
    args.attention_scale = 0.3f;
    args.queries = {queries.data(), {shape.n_group, shape.n_query, shape.d}};
    args.keys = {keys.data(), ElementType::f32, shape.n_entry, shape.d, shape.d};
    args.n_masked = shape.n_masked;
    const auto floats = column_sums(args);
    ASSERT_TRUE(floats.ok());
    const std::vector<double> expected = plain_sums(args);
    ASSERT_EQ(floats->size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR((*floats)[i], expected[i], 1e-5 * expected[i]) << shape.n_entry << " " << i;
    args.keys = {halves.data(), ElementType::f16, shape.n_entry, shape.d, shape.d};
    EXPECT_EQ(*column_sums(args), *floats);
  }
}

// Many blocks of rows: what they add up to must not lose digits.
TEST(ColumnSums, OfManyRowsStayExact) {
  constexpr int64_t kRows = 6000, kDim = 4, kEntries = 6000;
  const auto queries = random_floats(kRows * kDim, 1);
  const auto keys = random_floats(kEntries * kDim, 2);
  const auto sums = column_sums({0.5f,
                                 {queries.data(), {1, kRows, kDim}},
                                 {keys.data(), ElementType::f32, kEntries, kDim, kDim},
                                 kRows});
  ASSERT_TRUE(sums.ok());
  double total = 0.0;
  for (float sum : *sums)
    total += sum;
  EXPECT_NEAR(total, kRows, 1e-5 * kRows);
}

// Prompts that are read in pieces: the pieces' sums add up to the whole's.
TEST(ColumnSums, OfPiecesAddUp) {
  constexpr int64_t kLength = 120, kDim = 16;
  const auto queries = random_floats(kLength * kDim, 1);
  const auto keys = random_floats(kLength * kDim, 2);
  std::vector<double> added(kLength, 0.0);
  const auto sums_of = [&](int64_t begin, int64_t end) {
    return *column_sums({0.25f,
                         {queries.data() + begin * kDim, {1, end - begin, kDim}},
                         {keys.data(), ElementType::f32, end, kDim, kDim},
                         end - begin});
  };
  for (int64_t begin = 0; begin < kLength; begin += 50) {
    const std::vector<float> piece = sums_of(begin, std::min(kLength, begin + 50));
    for (size_t j = 0; j < piece.size(); ++j)
      added[j] += piece[j];
  }
  const std::vector<float> whole = sums_of(0, kLength);
  for (int64_t j = 0; j < kLength; ++j)
    EXPECT_NEAR(added[j], whole[j], 1e-5 * whole[j]);
}

}  // namespace
}  // namespace restkv
