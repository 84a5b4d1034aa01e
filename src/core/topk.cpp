#include "core/topk.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

namespace restkv {
namespace {

// An integer that orders as the scores do, with NaN as +infinity and -0 as +0.
uint32_t order_key(float score) {
  if (std::isnan(score)) return 0xff800000u;
  const uint32_t bits = std::bit_cast<uint32_t>(score + 0.0f);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

// The k-th largest key and how many are above it, digit by digit. 1 <= k <= keys.size().
struct Threshold {
  uint32_t key;
  int64_t n_above;
};
Threshold find_threshold(std::span<const uint32_t> keys, int64_t k) {
  constexpr int kBits[] = {11, 11, 10};
  uint32_t key = 0, known = 0;  // the digits that are settled, and their mask
  int64_t n_above = 0;
  for (int shift = 32; const int bits : kBits) {
    shift -= bits;
    const uint32_t digit_mask = (1u << bits) - 1;
    std::array<int32_t, 1 << 11> counts{};
    for (const uint32_t candidate : keys)
      counts[(candidate >> shift) & digit_mask] += (candidate & known) == key ? 1 : 0;
    uint32_t digit = digit_mask;
    while (n_above + counts[digit] < k)
      n_above += counts[digit--];
    key |= digit << shift;
    known |= digit_mask << shift;
  }
  return {key, n_above};
}

}  // namespace

std::vector<int32_t> top_k(std::span<const float> scores, int64_t k) {
  const int64_t n = std::ssize(scores);
  k = std::clamp<int64_t>(k, 0, n);
  std::vector<int32_t> best;
  if (k == 0) return best;
  best.reserve(static_cast<size_t>(k));
  std::vector<uint32_t> keys(scores.size());
  std::ranges::transform(scores, keys.begin(), order_key);
  const Threshold threshold = find_threshold(keys, k);
  // The places that are left go to the first entries that equal the k-th.
  int64_t n_equal = k - threshold.n_above;
  for (int64_t i = 0; i < n; ++i) {
    if (keys[i] > threshold.key || (keys[i] == threshold.key && n_equal-- > 0))
      best.push_back(static_cast<int32_t>(i));
  }
  return best;
}

}  // namespace restkv
