// How a report writes numbers. Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "report/estimate.h"

namespace restkv::report {

// A fixed number of decimals; never "-0.00".
std::string fixed(double x, int n_decimal);
// With its sign.
std::string fixed_signed(double x, int n_decimal);
// "83.60 [78.1, 88.9]"; without an interval the value alone; nothing: empty.
std::string score_text(const std::optional<Estimate>& estimate);
// "+5.20 [1.1, 9.4] *": the star where the interval excludes 0.
std::string difference_text(const std::optional<Estimate>& estimate);
// "3 samples", "1 sample".
std::string counted(size_t n, const std::string& noun);
// "4,096".
std::string grouped(int64_t n);

}  // namespace restkv::report
