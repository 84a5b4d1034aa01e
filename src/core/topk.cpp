#include "core/topk.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

namespace restkv {
namespace {

// An integer that orders as the scores do, with NaN as +infinity and -0 as +0.
uint32_t order_key(float score) {
  if (std::isnan(score)) return 0xff800000u;
  const uint32_t bits = std::bit_cast<uint32_t>(score + 0.0f);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

}  // namespace

std::vector<int32_t> top_k(std::span<const float> scores, int64_t k) {
  const int64_t n = static_cast<int64_t>(scores.size());
  k = std::clamp<int64_t>(k, 0, n);
  std::vector<int32_t> best;
  if (k == 0) return best;
  best.reserve(static_cast<size_t>(k));

  std::vector<uint32_t> keys(scores.size());
  std::transform(scores.begin(), scores.end(), keys.begin(), order_key);
  std::nth_element(keys.begin(), keys.begin() + (k - 1), keys.end(), std::greater<>());
  const uint32_t threshold = keys[static_cast<size_t>(k - 1)];
  // What stands before the k-th after nth_element is at least as good; the rest of the places go
  // to the first entries that equal it.
  int64_t n_equal = k - std::count_if(keys.begin(), keys.begin() + k,
                                      [&](uint32_t key) { return key > threshold; });
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t key = order_key(scores[static_cast<size_t>(i)]);
    if (key > threshold || (key == threshold && n_equal-- > 0)) {
      best.push_back(static_cast<int32_t>(i));
    }
  }
  return best;
}

}  // namespace restkv
