// The triangular factor of a covariance.
#pragma once

#include <cstdint>

namespace restkv {

// R [d][d], upper triangular, with R'R = covariance [d][d] (symmetric, not negative), so that
// k' C k = |R k|^2. Zeros are written below the diagonal.
void covariance_factor(const float* covariance, int64_t d, float* r);

}  // namespace restkv
