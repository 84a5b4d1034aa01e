// The normaliser of a softmax over logits.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

namespace restkv {

// log of the sum of exp(logit), in double. REQUIRES: finite logits, at least one.
inline double log_sum_exp(std::span<const float> logits) {
  const double top = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float x : logits)
    sum += std::exp(x - top);
  return top + std::log(sum);
}

}  // namespace restkv
