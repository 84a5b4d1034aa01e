// Products with weights of every type: each variant against sums in double over ggml's floats.
#include "kernels/quant_matvec.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ggml-cpu.h"
#include "kernels/dispatch.h"
#include "tests/kernels/weight_data.h"

namespace restkv::kernels {
namespace {

constexpr float kUntouched = -12345.0f;

bool is_float(WeightType type) {
  return weight_block_size(type) == 1;
}

// Vectors that rounding leaves as they are: integers times a power of two for each group of 32,
// one of them 127.
std::vector<float> exact_vectors(int64_t n_vector, int64_t k, uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<float> x(static_cast<size_t>(n_vector * k));
  for (size_t i = 0; i < x.size(); i += 32) {
    const float unit = std::ldexp(1.0f, static_cast<int>(generator() % 7) - 9);
    for (size_t j = i; j < std::min(i + 32, x.size()); ++j)
      x[j] = unit * static_cast<float>(static_cast<int>(generator() % 255) - 127);
    x[i + generator() % 32] = 127.0f * unit;
  }
  return x;
}

// Weights whose last byte is the last before a page that must not be read.
class GuardedCopy {
 public:
  explicit GuardedCopy(const std::vector<uint8_t>& bytes) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t room = (bytes.size() + page - 1) / page * page;
    size_ = room + page;
    base_ = static_cast<uint8_t*>(
        mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    data_ = base_ + room - bytes.size();
    std::copy(bytes.begin(), bytes.end(), data_);
    mprotect(base_ + room, page, PROT_NONE);
  }
  ~GuardedCopy() { munmap(base_, size_); }
  GuardedCopy(const GuardedCopy&) = delete;
  GuardedCopy& operator=(const GuardedCopy&) = delete;
  const uint8_t* data() const { return data_; }

 private:
  uint8_t* base_;
  uint8_t* data_;
  size_t size_;
};

// A product with everything that it needs.
struct Product {
  Product(const MatvecKernels& kernels, TestWeights& w, const std::vector<float>& x,
          int64_t n_vector)
      : kernels(kernels), w(w), x(x), guarded(w.bytes) {
    const int64_t n_block = n_activation_block(w.k);
    activations.resize(static_cast<size_t>(n_vector * n_block));
    if (!is_float(w.type)) {
      for (int64_t v = 0; v < n_vector; ++v)
        kernels.quantize(x.data() + v * w.k, w.k, activations.data() + v * n_block);
    }
    out.assign(static_cast<size_t>(n_vector * out_stride()), kUntouched);
    args.weights = {guarded.data(), w.type, w.row_bytes, w.k};
    args.n_vector = n_vector;
    args.activations = activations.data();
    args.floats = x.data();
    args.float_stride = w.k;
    args.out = out.data();
    args.out_stride = out_stride();
  }

  int64_t out_stride() const { return w.n_row + 3; }
  float at(int64_t vector, int64_t row) const {
    return out[static_cast<size_t>(vector * out_stride() + row)];
  }

  // Every element of rows first .. within a few roundings of the magnitudes that are added up.
  void expect_right(int64_t first, int64_t n_row) {
    kernels.rows(args, first, n_row);
    const std::vector<float> weights = w.to_floats();
    float largest = 0.0f;
    for (float value : weights)
      largest = std::max(largest, std::fabs(value));
    for (int64_t v = 0; v < args.n_vector; ++v) {
      for (int64_t r = 0; r < out_stride(); ++r) {
        if (r < first || r >= first + n_row) {
          ASSERT_EQ(at(v, r), kUntouched) << "row " << r;
          continue;
        }
        double sum = 0.0, magnitude = 0.0;
        for (int64_t i = 0; i < w.k; ++i) {
          sum += static_cast<double>(weights[r * w.k + i]) * x[v * w.k + i];
          magnitude += std::fabs(x[v * w.k + i]);
        }
        ASSERT_NEAR(at(v, r), sum, 2e-6 * largest * magnitude + 1e-30)
            << "row " << r << " vector " << v;
      }
    }
  }

  const MatvecKernels& kernels;
  TestWeights& w;
  const std::vector<float>& x;
  GuardedCopy guarded;
  std::vector<Activations> activations;
  std::vector<float> out;
  MatvecArgs args;
};

class Matvec : public testing::TestWithParam<int> {
 protected:
  static const MatvecKernels& kernels() { return *supported_kernels()[GetParam()].matvec; }

  static void expect_right(TestWeights& w, int64_t n_vector, uint32_t seed) {
    const std::vector<float> x = exact_vectors(n_vector, w.k, seed);
    Product(kernels(), w, x, n_vector).expect_right(0, w.n_row);
    Product(kernels(), w, x, n_vector).expect_right(w.n_row / 2, w.n_row - w.n_row / 2);
  }
};

TEST_P(Matvec, EveryTypeAndLength) {
  for (WeightType type : kAllTypes) {
    SCOPED_TRACE(ggml_type_name(ggml_type_of(type)));
    const bool large = weight_block_size(type) == 256;
    for (int64_t n_block : {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 16, 18, 28}) {
      SCOPED_TRACE(n_block);
      TestWeights w(type, 3, n_block * (large ? 256 : 32), 2 * (n_block % 2));
      w.quantize(random_floats(3 * w.k, 5, 0.1f));
      expect_right(w, 1, static_cast<uint32_t>(n_block));
    }
  }
}

TEST_P(Matvec, EveryNumberOfVectors) {
  for (WeightType type : kAllTypes) {
    SCOPED_TRACE(ggml_type_name(ggml_type_of(type)));
    TestWeights w(type, 4, weight_block_size(type) == 256 ? 512 : 288);
    w.quantize(random_floats(4 * w.k, 6, 0.1f));
    for (int64_t n_vector = 1; n_vector <= kMaxVectors; ++n_vector)
      expect_right(w, n_vector, 9);
  }
}

TEST_P(Matvec, OddLengthsOfFloatWeights) {
  for (WeightType type : {WeightType::f32, WeightType::f16, WeightType::bf16}) {
    for (int64_t k : {1, 7, 15, 17, 63, 65, 127, 129}) {
      TestWeights w(type, 3, k);
      w.quantize(random_floats(3 * k, 5));
      const std::vector<float> x = random_floats(5 * k, 8);
      Product(kernels(), w, x, 5).expect_right(0, 3);
    }
  }
}

TEST_P(Matvec, OddBlocks) {
  for (WeightType type : kAllTypes) {
    if (is_float(type)) continue;
    SCOPED_TRACE(ggml_type_name(ggml_type_of(type)));
    for (uint32_t seed = 0; seed < 10; ++seed) {
      TestWeights w(type, 3, 7 * weight_block_size(type));
      w.fill_odd_blocks(seed);
      expect_right(w, 1 + seed % 4, seed);
    }
  }
}

TEST_P(Matvec, AddsBiasAndResidual) {
  TestWeights w(WeightType::q4_1, 5, 96);
  w.quantize(random_floats(5 * 96, 1));
  const std::vector<float> x = exact_vectors(2, 96, 2);
  const std::vector<float> bias = random_floats(5, 3);
  Product plain(kernels(), w, x, 2);
  kernels().rows(plain.args, 0, 5);
  Product full(kernels(), w, x, 2);
  std::vector<float> residual = random_floats(2 * full.out_stride(), 4);
  full.out = residual;
  full.args.bias = bias.data();
  full.args.residual = full.out.data();
  kernels().rows(full.args, 1, 4);
  for (int64_t v = 0; v < 2; ++v) {
    for (int64_t r = 1; r < 5; ++r) {
      const float before = residual[static_cast<size_t>(v * full.out_stride() + r)];
      EXPECT_FLOAT_EQ(full.at(v, r), plain.at(v, r) + bias[static_cast<size_t>(r)] + before);
    }
  }
  EXPECT_EQ(full.at(0, 0), residual[0]);
}

// Nothing that is not a number may get lost on its way to the logits.
TEST_P(Matvec, PassesNaNOn) {
  for (WeightType type : kAllTypes) {
    SCOPED_TRACE(ggml_type_name(ggml_type_of(type)));
    TestWeights w(type, 2, 256);
    w.quantize(random_floats(2 * 256, 1));
    std::vector<float> x = exact_vectors(1, 256, 2);
    for (float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
      x[77] = bad;
      Product p(kernels(), w, x, 1);
      kernels().rows(p.args, 0, 2);
      EXPECT_FALSE(std::isfinite(p.at(0, 0)));
    }
  }
}

// The root of the mean square of what rounding the vector costs, beside ggml's own.
TEST_P(Matvec, IsNotLessExactThanGgml) {
  constexpr int64_t kRows = 32, kLength = 1024;
  const std::vector<float> x = random_floats(kLength, 11);
  for (WeightType type : kAllTypes) {
    TestWeights w(type, kRows, kLength);
    w.quantize(random_floats(kRows * kLength, 12, 0.1f));
    Product p(kernels(), w, x, 1);
    kernels().rows(p.args, 0, kRows);
    const auto* traits = ggml_get_type_traits_cpu(ggml_type_of(type));
    std::vector<uint8_t> rounded(ggml_row_size(traits->vec_dot_type, kLength));
    const auto* other = ggml_get_type_traits_cpu(traits->vec_dot_type);
    if (other->from_float != nullptr) {
      other->from_float(x.data(), rounded.data(), kLength);
    } else {
      std::memcpy(rounded.data(), x.data(), rounded.size());
    }
    const std::vector<float> weights = w.to_floats();
    double ours = 0.0, theirs = 0.0, size = 0.0;
    for (int64_t r = 0; r < kRows; ++r) {
      double sum = 0.0;
      for (int64_t i = 0; i < kLength; ++i)
        sum += static_cast<double>(weights[r * kLength + i]) * x[i];
      float dot = 0.0f;
      traits->vec_dot(kLength, &dot, 0, w.row(r), 0, rounded.data(), 0, 1);
      ours += (p.at(0, r) - sum) * (p.at(0, r) - sum);
      theirs += (dot - sum) * (dot - sum);
      size += sum * sum;
    }
    EXPECT_LE(std::sqrt(ours), 1.05 * std::sqrt(theirs) + 1e-6 * std::sqrt(size))
        << ggml_type_name(ggml_type_of(type));
  }
}

INSTANTIATE_TEST_SUITE_P(, Matvec, testing::Range(0, static_cast<int>(supported_kernels().size())),
                         [](const auto& info) {
                           return std::string(supported_kernels()[info.param].name);
                         });

}  // namespace
}  // namespace restkv::kernels
