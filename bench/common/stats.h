// What repetitions come to.
#pragma once

#include <span>
#include <vector>

namespace restkv::bench {

struct Spread {
  double median = 0, min = 0, max = 0;
};
// REQUIRES: at least one value.
Spread spread_of(std::vector<double> values);

// a over b: of the medians, and the smallest and largest of the pairs that ran beside each other.
struct Ratio {
  double of_medians = 0, min = 0, max = 0;
};
// REQUIRES: as many of a as of b, at least one.
Ratio ratio_of(std::span<const double> a, std::span<const double> b);

}  // namespace restkv::bench
