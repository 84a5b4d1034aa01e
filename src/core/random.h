// Random numbers that are the same on every machine, unlike those of std:: distributions.
#pragma once

#include <cstdint>

namespace restkv {

// SplitMix64 (Steele, Lea, Flood 2014): one addition and a mixer, any seed is a good one.
class SplitMix64 {
 public:
  explicit constexpr SplitMix64(uint64_t seed) : state_(seed) {}

  constexpr uint64_t next() {
    state_ += kStep;
    uint64_t x = state_;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }

  // In [0, 1), on the grid of 2^-24 that a float holds exactly.
  constexpr float uniform() { return static_cast<float>(next() >> 40) * 0x1p-24f; }

 private:
  static constexpr uint64_t kStep = 0x9e3779b97f4a7c15u;
  uint64_t state_;
};

// A seed of its own for each value of `key`; nest it for several keys.
constexpr uint64_t derive_seed(uint64_t seed, uint64_t key) {
  return SplitMix64(SplitMix64(seed).next() ^ key).next();
}

}  // namespace restkv
