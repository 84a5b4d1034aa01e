// How much attention lies in blocks of at least some weight: a histogram from which a threshold
// follows without sorting, and that grows as blocks become known.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace restkv::sparse {

class Coverage {
 public:
  // Every weight, in 0 .. 1, counts `times`.
  void add(std::span<const float> weights, double times = 1.0);
  void add(const Coverage& other, double times);

  // The largest edge of a bin above which at least gamma of all weight lies; 0 where nothing has
  // been added. Falls as gamma grows.
  float threshold(double gamma) const;

 private:
  // Bins of an eighth of an octave, from 1 down; the last one holds everything below.
  static constexpr int kPerOctave = 8;
  static constexpr int kBins = 24 * kPerOctave;

  static int bin_of(float weight);
  static float edge_below(int bin);

  std::array<double, kBins> mass_{};
};

}  // namespace restkv::sparse
