#include "bench/common/stats.h"

#include <algorithm>

namespace restkv::bench {

Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  const double median = n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
  return {median, values.front(), values.back()};
}

Ratio ratio_of(std::span<const double> a, std::span<const double> b) {
  std::vector<double> pairs;
  for (size_t i = 0; i < a.size(); ++i)
    pairs.push_back(a[i] / b[i]);
  const Spread spread = spread_of(pairs);
  const double medians =
      spread_of({a.begin(), a.end()}).median / spread_of({b.begin(), b.end()}).median;
  return {medians, spread.min, spread.max};
}

}  // namespace restkv::bench
