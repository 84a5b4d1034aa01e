// Rounding of published scores.
#pragma once

#include <span>

namespace restkv {

// Python's round(x, 2): the decimal that is nearest to the exact binary value, ties to even.
double round2(double x);

// NumPy's round(x, 2), which LongBench's _e form uses: x times 100, to the nearest integer, by 100.
double numpy_round2(double x);

// NumPy's sum of a contiguous array, whose order of addition decides ties. 0 for none.
double numpy_sum(std::span<const double> values);

// Sum from first to last, by the count. REQUIRES: values is not empty.
double mean(std::span<const double> values);

}  // namespace restkv
