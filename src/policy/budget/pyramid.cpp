// PyramidKV's layer budgets (arXiv 2406.02069; policies.md section 4).
#include <cmath>

#include "core/check.h"
#include "restkv/policy.h"

namespace restkv {

int64_t pyramid_past_budget(int64_t b, int64_t n_past, int32_t layer, int32_t n_layer,
                            double beta_p) {
  RESTKV_CHECK(0 <= b && b <= n_past && 0 <= layer && layer < n_layer && beta_p >= 1.0);
  int64_t low = static_cast<int64_t>(std::floor(static_cast<double>(b) / beta_p));
  int64_t high = 2 * b - low;
  if (high >= n_past) {
    high = n_past;
    low = 2 * b - high;
  }
  if (n_layer == 1) return b;  // no slope to speak of
  return high - layer * ((high - low) / (n_layer - 1));
}

}  // namespace restkv
