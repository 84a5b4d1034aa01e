#include "scores/rounding.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace restkv {
namespace {

TEST(Rounding, PythonLooksAtTheExactBinaryValue) {
  EXPECT_EQ(round2(2.675), 2.67);  // is below the tie
  EXPECT_EQ(round2(0.125), 0.12);  // a true tie goes to even
  EXPECT_EQ(round2(0.375), 0.38);
  EXPECT_EQ(round2(66.66666), 66.67);
  EXPECT_EQ(round2(-0.125), -0.12);
  EXPECT_EQ(round2(1e300), 1e300);
}

TEST(Rounding, NumpyScalesFirst) {
  EXPECT_EQ(numpy_round2(2.675), 2.68);
  EXPECT_EQ(numpy_round2(0.125), 0.12);
}

TEST(Sum, IsThatOfAllValues) {
  for (const size_t n : {0, 1, 7, 8, 9, 128, 129, 300, 1000}) {
    std::vector<double> values(n);
    std::iota(values.begin(), values.end(), 0.0);
    EXPECT_EQ(numpy_sum(values), static_cast<double>(n * (n - (n > 0)) / 2)) << n;
  }
}

}  // namespace
}  // namespace restkv
