#include "policy/drift.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "kernels/dispatch.h"

namespace restkv {

Smoothing adaptive_smoothing(double quotient, int64_t min_kernel) {
  // Boxes wider than any cache all act alike; the bound keeps them inside an integer.
  constexpr double kBound = 0x1p40;
  const double bounded = std::clamp(quotient, -kBound, kBound);
  const int64_t wide = 2 * static_cast<int64_t>(std::floor(std::fabs(bounded))) + 1;
  const int64_t floor = static_cast<int64_t>(std::floor(bounded));
  // Not a truncation: 0 gives +1, as in the published code.
  const int64_t shift = bounded > 0.0 ? floor : floor + 1;
  return {Smoothing::Kind::shifted_box, std::max(min_kernel, wide), shift};
}

Drift::Drift(int64_t n_head, int64_t n_query, int64_t n_entry, int64_t n_top)
    : n_query_(n_query), n_entry_(n_entry), n_top_(n_top), difference_(n_head) {
  RESTKV_CHECK(n_query % 2 == 0 && n_top >= 1 && n_top <= n_entry);
}

void Drift::add(const RowBlock& block) {
  const auto top_position_sum = kernels::best_kernels().window_attention->top_position_sum;
  int64_t difference = 0;
  float near = 0.0f;
  for (int64_t i = 0; i < block.n_row; ++i) {
    const int64_t sum = top_position_sum(block.row(i), n_entry_, n_top_, &near);
    difference += block.first_row + i < n_query_ / 2 ? sum : -sum;
  }
  difference_[block.head] += difference;
}

double Drift::quotient(int64_t head, double beta) const {
  const int64_t half = n_query_ / 2;
  const double count = static_cast<double>(n_top_) * static_cast<double>(half);
  return static_cast<double>(difference_[head]) / (count * beta);
}

}  // namespace restkv
