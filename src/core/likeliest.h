// The greedy choice.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

namespace restkv {

// The token with the greatest logit; of several the lowest. Lanes of their own let a compiler
// compare many at once, which a search for the position would not. REQUIRES: finite logits, one at
// least.
inline int32_t likeliest(std::span<const float> logits) {
  constexpr size_t kLane = 16;
  std::array<float, kLane> tops;
  tops.fill(logits[0]);
  size_t i = 0;
  for (; i + kLane <= logits.size(); i += kLane) {
    for (size_t j = 0; j < kLane; ++j)
      tops[j] = logits[i + j] > tops[j] ? logits[i + j] : tops[j];
  }
  for (; i < logits.size(); ++i)
    tops[0] = std::max(tops[0], logits[i]);
  return static_cast<int32_t>(std::ranges::find(logits, *std::ranges::max_element(tops)) -
                              logits.begin());
}

}  // namespace restkv
