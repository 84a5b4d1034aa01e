#include "core/pooling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/check.h"

namespace restkv {
namespace {

struct Add {
  static constexpr double kIdentity = 0.0;
  static double apply(double a, double b) { return a + b; }
};
struct Max {
  static constexpr double kIdentity = -std::numeric_limits<double>::infinity();
  static double apply(double a, double b) { return std::max(a, b); }
};

// Folds of ranges of at most `kernel` values: running folds from the start and from the end of
// every block of `kernel` values; a range is the end of one block and the start of the next.
template <typename Op>
class RangeFold {
 public:
  RangeFold(std::span<const float> in, int64_t kernel)
      : n_(static_cast<int64_t>(in.size())),
        kernel_(kernel),
        from_start_(in.begin(), in.end()),
        to_end_(in.begin(), in.end()) {
    for (int64_t start = 0; start < n_; start += kernel_) {
      const int64_t end = std::min(start + kernel_, n_);
      for (int64_t i = start + 1; i < end; ++i) {
        from_start_[i] = Op::apply(from_start_[i - 1], from_start_[i]);
      }
      for (int64_t i = end - 2; i >= start; --i)
        to_end_[i] = Op::apply(to_end_[i], to_end_[i + 1]);
    }
  }

  // Calls use(j, fold of the values j + offset .. j + offset + kernel - 1, those outside left out)
  // for every j.
  template <typename Use>
  void for_each(int64_t offset, const Use& use) const {
    int64_t block_end = (std::max<int64_t>(offset, 0) / kernel_ + 1) * kernel_;
    for (int64_t j = 0; j < n_; ++j) {
      const int64_t a = std::max<int64_t>(j + offset, 0);
      const int64_t b = std::min(j + offset + kernel_, n_) - 1;
      if (a >= block_end) block_end += kernel_;
      use(j, fold(a, b, block_end));
    }
  }

 private:
  // block_end: of the block that `a` is in.
  double fold(int64_t a, int64_t b, int64_t block_end) const {
    if (a > b) return Op::kIdentity;
    if (b >= block_end) return Op::apply(to_end_[a], from_start_[b]);
    // Inside one block a range touches its start or its end (or the end of the list).
    return a == block_end - kernel_ ? from_start_[b] : to_end_[a];
  }

  int64_t n_;
  int64_t kernel_;
  std::vector<double> from_start_;
  std::vector<double> to_end_;
};

// The same for a kernel that is not wide: ranges twice as long each time, all of them by one
// operation a value. Equal ranges have equal folds wherever they stand.
template <typename Op>
class ShortRangeFold {
 public:
  // in(i): the i-th value, i from `first` to n + kernel - 2 + first; what is outside the list is
  // its business.
  template <typename In>
  ShortRangeFold(int64_t first, int64_t n, int64_t kernel, const In& in)
      : folds_(n, Op::kIdentity), ranges_(n + kernel - 1), longer_(n + kernel - 1) {
    for (int64_t i = 0; i < std::ssize(ranges_); ++i)
      ranges_[i] = in(first + i);
    int64_t at = 0;
    for (int64_t width = 1; width <= kernel; width *= 2) {
      if ((kernel & width) != 0) {
        for (int64_t j = 0; j < n; ++j)
          folds_[j] = Op::apply(folds_[j], ranges_[j + at]);
        at += width;
      }
      const int64_t n_left = std::ssize(ranges_) - 2 * width + 1;
      for (int64_t j = 0; j < n_left; ++j)
        longer_[j] = Op::apply(ranges_[j], ranges_[j + width]);
      ranges_.swap(longer_);
    }
  }

  // The fold of the values first + j .. first + j + kernel - 1.
  double operator[](int64_t j) const { return folds_[j]; }

 private:
  std::vector<double> folds_, ranges_, longer_;
};

// Wider kernels would cost more as repeated doubling than by running folds.
constexpr int64_t kWide = 255;

void check_arguments(std::span<const float> in, int64_t kernel, std::span<float> out) {
  RESTKV_CHECK(kernel >= 1 && kernel % 2 == 1);
  RESTKV_CHECK(in.size() == out.size());
}

}  // namespace

void average_pool(std::span<const float> in, int64_t kernel, std::span<float> out) {
  check_arguments(in, kernel, out);
  const int64_t n = std::ssize(in), offset = -(kernel / 2);
  const double count = static_cast<double>(kernel);
  if (kernel <= kWide) {
    const ShortRangeFold<Add> sum(offset, n, kernel, [&](int64_t i) {
      return i < 0 || i >= n ? 0.0 : static_cast<double>(in[i]);
    });
    for (int64_t j = 0; j < n; ++j)
      out[j] = static_cast<float>(sum[j] / count);
    return;
  }
  const RangeFold<Add> sum(in, kernel);
  sum.for_each(offset,
               [&](int64_t j, double total) { out[j] = static_cast<float>(total / count); });
}

void maximum_pool(std::span<const float> in, int64_t kernel, std::span<float> out) {
  check_arguments(in, kernel, out);
  std::vector<float> clean(in.begin(), in.end());
  for (float& value : clean) {
    if (std::isnan(value)) value = std::numeric_limits<float>::infinity();
  }
  const RangeFold<Max> maximum(clean, kernel);
  maximum.for_each(-(kernel / 2),
                   [&](int64_t j, double largest) { out[j] = static_cast<float>(largest); });
}

void shifted_box(std::span<const float> in, int64_t kernel, int64_t shift, std::span<float> out) {
  check_arguments(in, kernel, out);
  if (in.empty()) return;
  const int64_t n = std::ssize(in), offset = shift - kernel / 2;
  if (kernel <= kWide) {
    const ShortRangeFold<Add> sum(offset, n, kernel, [&](int64_t i) {
      return static_cast<double>(in[std::clamp<int64_t>(i, 0, n - 1)]);
    });
    for (int64_t j = 0; j < n; ++j)
      out[j] = static_cast<float>(sum[j] / static_cast<double>(kernel));
    return;
  }
  const RangeFold<Add> sum(in, kernel);
  sum.for_each(offset, [&](int64_t j, double total) {
    const int64_t n_left = std::clamp<int64_t>(-(j + offset), 0, kernel);
    const int64_t n_right = std::clamp<int64_t>(j + offset + kernel - n, 0, kernel);
    // Multiplied only where they occur: 0 times an infinite edge would be NaN.
    if (n_left > 0) total += static_cast<double>(n_left) * in.front();
    if (n_right > 0) total += static_cast<double>(n_right) * in.back();
    out[j] = static_cast<float>(total / static_cast<double>(kernel));
  });
}

}  // namespace restkv
