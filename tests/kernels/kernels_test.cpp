// Every vector variant that this machine runs against the plain loops, by relative error.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>

#include "kernels/dispatch.h"
#include "tests/random.h"

namespace restkv::kernels {
namespace {

struct Shape {
  int64_t n, d, n_row;
  ElementType type;
};

// One KV head's rows in a wider buffer, as they lie in a cache of several heads.
struct Rows {
  Rows(const Shape& shape, uint32_t seed)
      : stride(shape.d + 3), floats(rounded_to_half(random_floats(shape.n * stride, seed))) {
    halves = to_halves(floats);
    const bool half = shape.type == ElementType::f16;
    view = {half ? static_cast<const void*>(halves.data() + 1) : floats.data() + 1, shape.type,
            shape.n, shape.d, stride};
    // The last row must not end the buffer later than the view says.
    halves.resize(1 + (shape.n - 1) * stride + shape.d);
  }

  int64_t stride;
  std::vector<float> floats;
  std::vector<uint16_t> halves;
  RowsView view;
};

std::vector<Shape> shapes() {
  std::vector<Shape> list;
  for (ElementType type : {ElementType::f32, ElementType::f16}) {
    for (int64_t n : {1, 5, 16, 33, 97, 256, 1000}) {
      for (int64_t d : {5, 16, 24, 64, 80, 128})
        list.push_back({n, d, 1 + (n + d) % 19, type});
    }
  }
  return list;
}

void expect_close(const float* actual, const float* expected, int64_t count, double tolerance) {
  double scale = 1e-30;
  for (int64_t i = 0; i < count; ++i)
    scale = std::max(scale, std::fabs(double{expected[i]}));
  for (int64_t i = 0; i < count; ++i) {
    ASSERT_NEAR(actual[i], expected[i], tolerance * scale) << "at " << i;
  }
}

class VectorKernels : public testing::TestWithParam<int> {
 protected:
  static const KernelSet& set() { return supported_kernels()[GetParam()]; }
};

// Attention rows of random queries, [n_row][stride].
std::vector<float> attention(const WindowAttentionKernels& kernels, const Shape& shape,
                             const Rows& keys, int64_t stride, float scale = 0.3f) {
  const std::vector<float> queries = random_floats(shape.n_row * shape.d, 7, 2.0f);
  std::vector<int64_t> visible;
  for (int64_t r = 0; r < shape.n_row; ++r)
    visible.push_back(std::max<int64_t>(shape.n - r, 1));
  std::vector<float> weights(shape.n_row * stride, -7.0f);
  std::vector<float> scratch(scratch_floats(shape.d));
  kernels.attention_rows({queries.data(), shape.n_row, visible.data(), keys.view, scale,
                          weights.data(), stride, scratch.data()});
  return weights;
}

TEST_P(VectorKernels, AttentionRows) {
  for (const Shape& shape : shapes()) {
    const Rows keys(shape, 1);
    const int64_t stride = round_up(shape.n, kRowAlign) + kRowAlign;
    const std::vector<float> fast = attention(*set().window_attention, shape, keys, stride);
    const std::vector<float> plain = attention(kWindowAttentionRef, shape, keys, stride);
    for (int64_t r = 0; r < shape.n_row; ++r) {
      double sum = 0.0;
      const int64_t n_padded = round_up(shape.n, kRowAlign);
      for (int64_t j = 0; j < n_padded; ++j) {
        const float expected = plain[r * stride + j];
        ASSERT_NEAR(fast[r * stride + j], expected, 2e-5 * expected + 1e-37) << shape.n << " " << j;
        sum += fast[r * stride + j];
      }
      ASSERT_NEAR(sum, 1.0, 1e-5);
    }
  }
}

TEST_P(VectorKernels, AttentionOfExtremeLogits) {
  for (float scale : {30.0f, 1e6f, 1e30f}) {
    const Shape shape{300, 64, 8, ElementType::f32};
    const Rows keys(shape, 1);
    const std::vector<float> fast = attention(*set().window_attention, shape, keys, 320, scale);
    const std::vector<float> plain = attention(kWindowAttentionRef, shape, keys, 320, scale);
    for (int64_t i = 0; i < 8 * 320; ++i)
      ASSERT_NEAR(fast[i], plain[i], 1e-3 * plain[i] + 1e-37);
  }
}

TEST_P(VectorKernels, AttentionOutput) {
  for (const Shape& shape : shapes()) {
    const Rows values(shape, 2);
    const int64_t stride = round_up(shape.n, kRowAlign);
    const std::vector<float> weights = attention(kWindowAttentionRef, shape, values, stride);
    std::vector<float> scratch(scratch_floats(shape.d));
    std::vector<float> fast(shape.n_row * shape.d), plain(fast.size());
    const int64_t n_entry = std::max<int64_t>(1, shape.n - 3);
    AttentionOutput args{weights.data(), stride,      shape.n_row,   values.view,
                         n_entry,        fast.data(), scratch.data()};
    set().window_attention->attention_output(args);
    args.output = plain.data();
    kWindowAttentionRef.attention_output(args);
    expect_close(fast.data(), plain.data(), shape.n_row * shape.d, 1e-6);
  }
}

TEST_P(VectorKernels, WeightedSum) {
  for (int64_t n : {1, 7, 16, 40, 1001}) {
    for (int64_t n_row : {1, 2, 7, 16}) {
      const int64_t stride = round_up(n, kRowAlign);
      const std::vector<float> weights = random_floats(n_row * stride, 3);
      const std::vector<float> factors = random_floats(n_row, 4);
      std::vector<float> fast(stride, 9.0f), plain(stride, 9.0f);
      WeightedSum args{weights.data(), stride, n_row, factors.data(), n, fast.data()};
      set().window_attention->weighted_sum(args);
      args.out = plain.data();
      kWindowAttentionRef.weighted_sum(args);
      expect_close(fast.data(), plain.data(), n, 1e-6);
    }
  }
}

TEST_P(VectorKernels, AddColumns) {
  for (int64_t n : {1, 7, 16, 40, 1001}) {
    for (int64_t n_row : {1, 7, 8, 19, 32}) {
      const int64_t stride = round_up(n, kRowAlign) + kRowAlign;
      const std::vector<float> weights = random_floats(n_row * stride, 5);
      std::vector<double> fast(n, 0.5), plain(n, 0.5);
      set().window_attention->add_columns(weights.data(), stride, n_row, n, fast.data());
      kWindowAttentionRef.add_columns(weights.data(), stride, n_row, n, plain.data());
      for (int64_t j = 0; j < n; ++j)
        ASSERT_NEAR(fast[j], plain[j], 1e-5) << n << " " << n_row;
    }
  }
}

TEST_P(VectorKernels, TopPositionSumIsExact) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    const int64_t n = 1 + seed * 7 % 2000;
    std::vector<float> weights = random_floats(round_up(n, kRowAlign), seed);
    for (float& weight : weights) {
      weight = std::exp(3.0f * weight);
      if (seed % 3 == 0) weight = std::round(weight * 4.0f);  // plateaus of ties, and zeros
      if (seed % 11 == 0) weight = 0.25f;
    }
    std::fill(weights.begin() + n, weights.end(), 0.0f);
    for (int64_t k : {int64_t{1}, (n + 1) / 2, n}) {
      float near = 0.0f;
      const int64_t plain = kWindowAttentionRef.top_position_sum(weights.data(), n, k, &near);
      // From where the k-th is, from nowhere, and from far away.
      for (float from : {near, 0.0f, 1e-30f, 1e30f}) {
        EXPECT_EQ(set().window_attention->top_position_sum(weights.data(), n, k, &from), plain)
            << "n " << n << " k " << k << " seed " << seed;
        EXPECT_GE(from, 0.0f);
      }
    }
  }
}

TEST_P(VectorKernels, TopPositionSumOfNanEnds) {
  std::vector<float> weights(320, std::nanf(""));
  float near = 0.0f;
  set().window_attention->top_position_sum(weights.data(), 300, 100, &near);
  near = 0.5f;
  for (float& weight : weights)
    weight = -weight;
  set().window_attention->top_position_sum(weights.data(), 300, 100, &near);
}

std::vector<float> upper_triangular(int64_t n, int64_t d) {
  std::vector<float> factors = random_floats(n * d * d, 5);
  for (int64_t h = 0; h < n; ++h) {
    for (int64_t r = 0; r < d; ++r)
      std::fill_n(factors.begin() + (h * d + r) * d, r, 0.0f);
  }
  return factors;
}

TEST_P(VectorKernels, ReconstructionDistance) {
  for (const Shape& shape : shapes()) {
    const Rows values(shape, 6);
    const int64_t n_head = 3;
    const std::vector<float> outputs = random_floats(n_head * shape.d, 8);
    const std::vector<float> factors = upper_triangular(n_head, shape.d);
    const int64_t stride = round_up(shape.n, kRowAlign);
    std::vector<float> fast(n_head * stride), plain(fast.size());
    std::vector<float> scratch(scratch_floats(shape.d));
    for (const float* r_h : {factors.data(), static_cast<const float*>(nullptr)}) {
      ReconstructionDistance args{outputs.data(), r_h,         n_head, values.view,
                                  shape.n,        fast.data(), stride, scratch.data()};
      set().reconstruction->distance(args);
      args.distances = plain.data();
      kReconstructionRef.distance(args);
      for (int64_t h = 0; h < n_head; ++h) {
        expect_close(fast.data() + h * stride, plain.data() + h * stride, shape.n, 1e-6);
      }
    }
  }
}

TEST_P(VectorKernels, ScoreRows) {
  for (const Shape& shape : shapes()) {
    const Rows values(shape, 9);
    const int64_t stride = round_up(shape.n, kRowAlign);
    const std::vector<float> projected = random_floats(shape.n_row * shape.d, 10);
    const std::vector<float> factor = upper_triangular(1, shape.d);
    const std::vector<float> divisors(shape.n_row, 1.7f);
    std::vector<float> scratch(scratch_floats(shape.d));
    for (const float* r_h : {factor.data(), static_cast<const float*>(nullptr)}) {
      std::vector<float> fast = attention(kWindowAttentionRef, shape, values, stride);
      std::vector<float> plain = fast;
      RowReconstruction args{projected.data(), r_h,     divisors.data(), shape.n_row,   values.view,
                             shape.n,          nullptr, stride,          scratch.data()};
      args.weights = fast.data();
      set().reconstruction->score_rows(args);
      args.weights = plain.data();
      kReconstructionRef.score_rows(args);
      for (int64_t r = 0; r < shape.n_row; ++r) {
        for (int64_t j = 0; j < shape.n; ++j) {
          const float expected = plain[r * stride + j];
          ASSERT_NEAR(fast[r * stride + j], expected, 1e-5 * expected);
        }
      }
    }
  }
}

TEST_P(VectorKernels, Gram) {
  for (int64_t d : {1, 5, 16, 40, 64, 128}) {
    const int64_t n_row = 77, row_stride = d + 5, stride = round_up(d, kRowAlign);
    const std::vector<float> w = random_floats(n_row * row_stride, 11);
    std::vector<double> fast(d * stride), plain(fast.size()), scratch(kRowAlign * stride);
    set().reconstruction->gram(w.data(), n_row, d, row_stride, fast.data(), stride, scratch.data());
    kReconstructionRef.gram(w.data(), n_row, d, row_stride, plain.data(), stride, scratch.data());
    for (int64_t i = 0; i < d; ++i) {
      for (int64_t j = i; j < d; ++j) {
        ASSERT_NEAR(fast[i * stride + j], plain[i * stride + j], 1e-11);
      }
    }
  }
}

TEST_P(VectorKernels, GramInFloats) {
  for (int64_t d : {1, 5, 16, 40, 64, 128}) {
    const int64_t n_row = 77, row_stride = d + 5, stride = round_up(d, kRowAlign);
    const std::vector<float> w = random_floats(n_row * row_stride, 11);
    std::vector<double> fast(d * stride), plain(fast.size());
    std::vector<float> scratch(kRowAlign * stride);
    set().reconstruction->gram_in_floats(w.data(), n_row, d, row_stride, fast.data(), stride,
                                         scratch.data());
    kReconstructionRef.gram_in_floats(w.data(), n_row, d, row_stride, plain.data(), stride,
                                      scratch.data());
    for (int64_t i = 0; i < d; ++i) {
      for (int64_t j = i; j < d; ++j)
        ASSERT_NEAR(fast[i * stride + j], plain[i * stride + j], 5e-5);
    }
  }
}

TEST_P(VectorKernels, Eliminate) {
  for (int64_t n : {1, 5, 16, 40, 64}) {
    const int64_t size = round_up(n, kRowAlign);
    const std::vector<float> a = random_floats(size, 12), b = random_floats(size, 13);
    const std::vector<double> pivot(a.begin(), a.end());
    for (int64_t first : {int64_t{0}, n / 2, n - 1}) {
      std::vector<double> fast(b.begin(), b.end()), plain = fast;
      set().reconstruction->eliminate(pivot.data(), 0.7, first, n, fast.data());
      kReconstructionRef.eliminate(pivot.data(), 0.7, first, n, plain.data());
      for (int64_t j = first; j < n; ++j)
        ASSERT_NEAR(fast[j], plain[j], 1e-12);
      for (int64_t j = 0; j < first / 8 * 8; ++j)
        ASSERT_EQ(fast[j], plain[j]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Supported, VectorKernels,
                         testing::Range(0, static_cast<int>(supported_kernels().size())),
                         [](const testing::TestParamInfo<int>& info) {
                           return std::string(supported_kernels()[info.param].name);
                         });

}  // namespace
}  // namespace restkv::kernels
