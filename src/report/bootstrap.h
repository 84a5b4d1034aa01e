// The percentile bootstrap (Efron 1979): how far a mean moves when its samples are drawn again.
//
// The same on every machine: core's random numbers, sums in one order, quantiles that are values of
// the distribution itself. Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace restkv::report {

struct Resampling {
  uint64_t seed = 1;
  size_t n_resample = 10000;
};

// The mean of every column over each resample of the rows: n rows drawn with replacement, the same
// ones for all columns, so that differences of columns are paired.
//   rows   [n_row][n_column]        REQUIRES: 0 < n_row < 2^32
//   means  [n_column][n_resample]
void resample_means(std::span<const double> rows, size_t n_column, const Resampling& resampling,
                    std::span<double> means);

struct Interval {
  double low = 0, high = 0;
};

// The central 95 %: a fortieth of the values lies below it, a fortieth above. Reorders `values`.
// REQUIRES: values is not empty.
Interval central_interval(std::span<double> values);

// A number for a text, FNV-1a, to derive seeds from names.
uint64_t hash_name(std::string_view name);

}  // namespace restkv::report
