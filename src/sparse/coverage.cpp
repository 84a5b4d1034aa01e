#include "sparse/coverage.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace restkv::sparse {

int Coverage::bin_of(float weight) {
  if (!(weight > 0.0f)) return kBins - 1;
  const auto bin = static_cast<int>(std::floor(-std::log2(weight) * kPerOctave));
  return std::clamp(bin, 0, kBins - 1);
}

float Coverage::edge_below(int bin) {
  if (bin == kBins - 1) return 0.0f;
  // A weight on the edge may be counted on either side of it: leave room for the rounding.
  return std::exp2(-static_cast<float>(bin + 1) / kPerOctave) * (1.0f - 1e-5f);
}

void Coverage::add(std::span<const float> weights, double times) {
  for (const float weight : weights)
    mass_[bin_of(weight)] += times * weight;
}

void Coverage::add(const Coverage& other, double times) {
  for (int i = 0; i < kBins; ++i)
    mass_[i] += times * other.mass_[i];
}

float Coverage::threshold(double gamma) const {
  const double wanted = gamma * std::accumulate(mass_.begin(), mass_.end(), 0.0);
  double found = 0.0;
  for (int bin = 0; bin < kBins; ++bin) {
    found += mass_[bin];
    if (found > 0.0 && found >= wanted) return edge_below(bin);
  }
  return 0.0f;
}

}  // namespace restkv::sparse
