// The k largest weights of a row, for a register of N floats; see simd.h for the rules.
#pragma once

#include "kernels/simd.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

template <int N>
class TopPositions {
  using I = typename Simd<N>::I;

 public:
  // Weights are not negative, so their bits order as integers. Narrows the bits of the k-th largest
  // down until few candidates are left, which are then ranked one by one.
  static int64_t top_position_sum(const float* weights, int64_t n, int64_t k, float* near) {
    Bracket b{.high = INT32_MAX, .n_low = n};
    int32_t at = bits_of(*near > 0.0f ? *near : 1.0f / static_cast<float>(n));
    for (int64_t pass = 0; b.high - b.low > 1 && b.n_low - b.n_high > kFew; ++pass) {
      at = at > b.low && at < b.high ? at : b.low + (b.high - b.low) / 2;
      const int64_t count = count_from(weights, n, at);
      (count >= k ? b.low : b.high) = at;
      (count >= k ? b.n_low : b.n_high) = count;
      at = next_guess(b, n, k, at, count, pass);
    }
    __builtin_memcpy(near, &b.low, sizeof(*near));
    return sum_from(weights, n, b.high) + rank_between(weights, n, b.low, b.high, k - b.n_high);
  }

 private:
  static constexpr int64_t kFew = 24;

  static int32_t bits_of(float weight) {
    int32_t bits;
    __builtin_memcpy(&bits, &weight, sizeof(bits));
    return bits;
  }

  // At least k weights have bits >= low, fewer than k have bits >= high.
  struct Bracket {
    int32_t low = 0, high = 0;
    int64_t n_low = 0, n_high = 0;
  };

  // Where to count next, after `count` at `at`; what is outside the bracket becomes its middle.
  static int32_t next_guess(const Bracket& b, int64_t n, int64_t k, int32_t at, int64_t count,
                            int64_t pass) {
    constexpr int64_t kOctave = int64_t{1} << 23;
    if (b.low == 0 || b.high == INT32_MAX) {
      // One side is open: as far as a dozen octaves for all weights suggest, further every time.
      const int64_t off = count > k ? count - k : k - count;
      const int64_t step = (off + kFew / 2) * 12 * kOctave / n << (pass < 16 ? pass : 16);
      const int64_t next = count >= k ? at + step : at - step;
      if (next <= 0) return 1;
      return next >= INT32_MAX ? INT32_MAX - 1 : static_cast<int32_t>(next);
    }
    // Straight between the ends, slightly beyond the k-th on the side that is further from it;
    // halving now and then is for weights that lie otherwise.
    if (pass % 4 == 3) return 0;
    const int64_t target = b.n_low - k > k - b.n_high ? k + kFew / 3 : k - kFew / 3;
    const double share = static_cast<double>(b.n_low - target) / (b.n_low - b.n_high);
    const double at_target = b.low + share * (b.high - b.low);
    return at_target < b.high ? static_cast<int32_t>(at_target) : 0;
  }

  static int64_t count_from(const float* weights, int64_t n, int32_t threshold) {
    I counts[4] = {};
    int64_t j = 0;
    for (; j + 4 * N <= n; j += 4 * N) {
      for (int i = 0; i < 4; ++i)
        counts[i] -= load<I>(weights + j + i * N) >= threshold;
    }
    int64_t count = lane_sum(counts[0] + counts[1] + counts[2] + counts[3]);
    for (; j < n; ++j)
      count += bits_of(weights[j]) >= threshold ? 1 : 0;
    return count;
  }

  // The sum of the positions of all weights >= threshold.
  static int64_t sum_from(const float* weights, int64_t n, int32_t threshold) {
    I lane{};
    for (int i = 0; i < N; ++i)
      lane[i] = i;
    int64_t total = 0;
    int64_t j = 0;
    while (j + N <= n) {
      // 32 bits hold the offsets of one stretch; the 64-bit base is added per stretch.
      const int64_t base = j;
      I offsets{};
      I counts{};
      I offset = lane;
      for (int step = 0; step < 1024 && j + N <= n; ++step, j += N, offset += N) {
        const I chosen = load<I>(weights + j) >= threshold;
        offsets += offset & chosen;
        counts -= chosen;
      }
      total += lane_sum(offsets) + base * lane_sum(counts);
    }
    for (; j < n; ++j)
      total += bits_of(weights[j]) >= threshold ? j : 0;
    return total;
  }

  // The sum of the positions of the k best weights in low .. high - 1, the lower position first
  // among equals. Either they are few, or all are equal.
  static int64_t rank_between(const float* weights, int64_t n, int32_t low, int32_t high,
                              int64_t k) {
    int32_t bits[kFew];
    int64_t positions[kFew];
    int64_t n_kept = 0;
    int64_t total = 0;
    const auto visit = [&](int64_t j) {
      const int32_t b = bits_of(weights[j]);
      if (b < low || b >= high) return;
      if (high - low == 1) {
        if (k > 0) total += j, --k;
        return;
      }
      int64_t at = n_kept++;
      for (; at > 0 && bits[at - 1] < b; --at) {
        bits[at] = bits[at - 1];
        positions[at] = positions[at - 1];
      }
      bits[at] = b;
      positions[at] = j;
    };
    int64_t j = 0;
    for (; j + N <= n; j += N) {
      const I block = load<I>(weights + j);
      uint32_t inside = lane_mask((block >= low) & (block < high));
      for (; inside != 0; inside &= inside - 1)
        visit(j + __builtin_ctz(inside));
    }
    for (; j < n; ++j)
      visit(j);
    for (int64_t i = 0; i < k && i < n_kept; ++i)
      total += positions[i];
    return total;
  }

  // One bit for each lane of a comparison's result.
  static uint32_t lane_mask(I v) {
    if constexpr (N == 16) return _mm512_movepi32_mask((__m512i)v);
    if constexpr (N == 8) return _mm256_movemask_ps((__m256)v);
  }
};

}  // namespace
}  // namespace restkv::kernels
