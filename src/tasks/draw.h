// What a generator draws: the same on every machine for the same seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/random.h"

namespace restkv {

// A key for derive_seed() from a name (FNV-1a).
constexpr uint64_t name_key(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

// A plain value: a copy goes on independently.
class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed) {}

  // Uniform in [0, n). REQUIRES: n > 0.
  int64_t below(int64_t n) {
    const auto bound = static_cast<uint64_t>(n);
    // Values of the last, incomplete run of `bound` are drawn again.
    const uint64_t n_surplus = (std::numeric_limits<uint64_t>::max() % bound + 1) % bound;
    uint64_t x = random_.next();
    while (x > std::numeric_limits<uint64_t>::max() - n_surplus)
      x = random_.next();
    return static_cast<int64_t>(x % bound);
  }
  // Uniform in [low, high]. REQUIRES: low <= high.
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }

  template <typename T>
  const T& pick(const std::vector<T>& values) {
    return values[static_cast<size_t>(below(static_cast<int64_t>(values.size())))];
  }
  template <typename T>
  void shuffle(std::vector<T>& values) {
    for (size_t i = values.size(); i > 1; --i)
      std::swap(values[i - 1], values[static_cast<size_t>(below(static_cast<int64_t>(i)))]);
  }
  // k different numbers of [0, n), in the order drawn. REQUIRES: k <= n.
  std::vector<int64_t> sample(int64_t n, int64_t k) {
    std::vector<int64_t> numbers(static_cast<size_t>(n));
    std::iota(numbers.begin(), numbers.end(), 0);
    for (size_t i = 0; i < static_cast<size_t>(k); ++i)
      std::swap(numbers[i], numbers[i + static_cast<size_t>(below(n - static_cast<int64_t>(i)))]);
    numbers.resize(static_cast<size_t>(k));
    return numbers;
  }

  std::string letters(char first, int n) {
    std::string text;
    for (int i = 0; i < n; ++i)
      text += static_cast<char>(first + below(26));
    return text;
  }
  // Version 4, from 122 random bits: 8-4-4-4-12 lower-case hexadecimal digits.
  std::string uuid() {
    constexpr std::string_view kForm = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx",
                               kHex = "0123456789abcdef";
    std::string text(kForm);
    for (char& c : text) {
      if (c == 'x') c = kHex[static_cast<size_t>(below(16))];
      if (c == 'y') c = kHex[static_cast<size_t>(8 + below(4))];
    }
    return text;
  }

 private:
  SplitMix64 random_;
};

}  // namespace restkv
