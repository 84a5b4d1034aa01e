// Column sums of every variant of the prefill kernels against the plain loop.
#include "tests/kernels/prefill_input.h"

namespace restkv::kernels {
namespace {

class PrefillColumnsTest : public PrefillKernelsTest {};

std::vector<double> column_sums(const PrefillAttentionKernels& kernels, const Packed& packed,
                                const PrefillQueries& queries, const std::vector<float>& lse) {
  std::vector<double> sums(queries.n_head * queries.n_key, 0.25);
  std::vector<Line> scratch = lines(kernels.scratch_bytes(queries.head_dim));
  const ColumnSums args{packed.memory.data(), queries, lse.data(), sums.data(), queries.n_key};
  for (int64_t unit = 0; unit < n_column_units(queries); ++unit)
    kernels.column_sums(args, unit, scratch.data());
  return sums;
}

TEST_P(PrefillColumnsTest, AreThePlainLoops) {
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

TEST_P(PrefillColumnsTest, SkipRowsThatSeeNothing) {
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

INSTANTIATE_TEST_SUITE_P(Supported, PrefillColumnsTest,
                         testing::Range(0, static_cast<int>(supported_kernels().size())),
                         variant_name);

}  // namespace
}  // namespace restkv::kernels
