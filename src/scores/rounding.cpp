#include "scores/rounding.h"

#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

#include "core/check.h"

namespace restkv {
namespace {

constexpr size_t kPairwiseBlock = 128;  // below it NumPy adds in eight lanes, above it halves

double block_sum(std::span<const double> v) {
  if (v.size() < 8) return std::accumulate(v.begin(), v.end(), 0.0);
  std::array<double, 8> lane{};
  size_t i = 0;
  for (; i + 8 <= v.size(); i += 8) {
    for (size_t k = 0; k < 8; ++k)
      lane[k] += v[i + k];
  }
  const double sum =
      ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
  return std::accumulate(v.begin() + static_cast<ptrdiff_t>(i), v.end(), sum);
}

}  // namespace

double round2(double x) {
  if (!std::isfinite(x)) return x;
  // to_chars is exact, as Python's own conversion is.
  std::array<char, 400> text;
  const auto [end, error] =
      std::to_chars(text.data(), text.data() + text.size(), x, std::chars_format::fixed, 2);
  RESTKV_CHECK(error == std::errc());
  double rounded = 0;
  std::from_chars(text.data(), end, rounded);
  return rounded;
}

double numpy_round2(double x) {
  return std::nearbyint(x * 100) / 100;
}

double numpy_sum(std::span<const double> values) {
  if (values.size() <= kPairwiseBlock) return block_sum(values);
  const size_t half = values.size() / 2 / 8 * 8;
  return numpy_sum(values.first(half)) + numpy_sum(values.subspan(half));
}

double mean(std::span<const double> values) {
  RESTKV_CHECK(!values.empty());
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace restkv
