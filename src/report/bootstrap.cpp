#include "report/bootstrap.h"

#include <algorithm>
#include <vector>

#include "core/check.h"
#include "core/random.h"

namespace restkv::report {
namespace {

constexpr size_t kTailPart = 40;  // 2.5 % on either side

// Whole numbers below n without bias (Lemire 2019), two from each random word.
class Draw {
 public:
  Draw(uint64_t seed, uint32_t n) : random_(seed), n_(n), n_refused_(-n % n) {}

  uint32_t next() {
    for (;;) {
      const uint64_t product = uint64_t{half_word()} * n_;
      if (static_cast<uint32_t>(product) >= n_refused_) return static_cast<uint32_t>(product >> 32);
    }
  }

 private:
  uint32_t half_word() {
    if (!has_half_) {
      word_ = random_.next();
      has_half_ = true;
      return static_cast<uint32_t>(word_ >> 32);
    }
    has_half_ = false;
    return static_cast<uint32_t>(word_);
  }

  SplitMix64 random_;
  uint32_t n_, n_refused_;
  uint64_t word_ = 0;
  bool has_half_ = false;
};

}  // namespace

void resample_means(std::span<const double> rows, size_t n_column, const Resampling& resampling,
                    std::span<double> means) {
  RESTKV_CHECK(n_column > 0 && !rows.empty() && rows.size() % n_column == 0);
  const size_t n_row = rows.size() / n_column, n_resample = resampling.n_resample;
  RESTKV_CHECK(n_row < uint64_t{1} << 32 && means.size() == n_column * n_resample);
  Draw draw(resampling.seed, static_cast<uint32_t>(n_row));
  std::vector<double> times(n_row), sums(n_column);
  for (size_t r = 0; r < n_resample; ++r) {
    std::ranges::fill(times, 0);
    std::ranges::fill(sums, 0);
    for (size_t i = 0; i < n_row; ++i)
      ++times[draw.next()];
    for (size_t i = 0; i < n_row; ++i) {
      if (times[i] == 0) continue;
      const double* const row = rows.data() + i * n_column;
      for (size_t c = 0; c < n_column; ++c)
        sums[c] += times[i] * row[c];
    }
    for (size_t c = 0; c < n_column; ++c)
      means[c * n_resample + r] = sums[c] / static_cast<double>(n_row);
  }
}

Interval central_interval(std::span<double> values) {
  RESTKV_CHECK(!values.empty());
  const size_t n = values.size(), low = n < kTailPart ? 0 : n / kTailPart - 1, high = n - 1 - low;
  const auto place = [&](size_t i) { return values.begin() + static_cast<ptrdiff_t>(i); };
  std::nth_element(place(0), place(low), values.end());
  if (high > low) std::nth_element(place(low + 1), place(high), values.end());
  return {values[low], values[high]};
}

uint64_t hash_name(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

}  // namespace restkv::report
