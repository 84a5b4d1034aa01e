// Products whose panels do not all fit into memory at once: groups of panels one after the other
// are one group, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>

#include "engine/panel_products.h"
#include "ggml-cpp.h"
#include "tests/engine/sequences.h"

namespace restkv {
namespace {

constexpr size_t kOneGroup = size_t{1} << 30;

std::vector<float> normal_floats(int64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& x : values)
    x = normal(random);
  return values;
}

std::vector<ggml_bf16_t> rounded(const std::vector<float>& values) {
  std::vector<ggml_bf16_t> out(values.size());
  ggml_fp32_to_bf16_row(values.data(), out.data(), static_cast<int64_t>(values.size()));
  return out;
}

// Matrices with k columns and these numbers of rows; all but the first have a bias.
class Matrices {
 public:
  Matrices(int64_t k, const std::vector<int64_t>& n_out)
      : ctx_(ggml_init({size_t{16} << 20, nullptr, false})) {
    uint32_t seed = 1;
    for (const int64_t n : n_out) {
      Linear& part = parts_.emplace_back();
      part.weight.file = filled(ggml_new_tensor_2d(ctx_.get(), GGML_TYPE_F32, k, n), ++seed);
      if (parts_.size() > 1)
        part.bias = filled(ggml_new_tensor_1d(ctx_.get(), GGML_TYPE_F32, n), ++seed);
      n_weight_ += k * n;
    }
  }
  const Linear& part(size_t i) const { return parts_[i]; }
  std::vector<const Linear*> all() const {
    std::vector<const Linear*> pointers;
    for (const Linear& part : parts_)
      pointers.push_back(&part);
    return pointers;
  }
  int64_t k() const { return parts_[0].n_in(); }
  int64_t n_weight() const { return n_weight_; }
  int64_t n_column() const { return n_weight_ / k(); }

 private:
  static ggml_tensor* filled(ggml_tensor* t, uint32_t seed) {
    const auto values = normal_floats(ggml_nelements(t), seed);
    std::ranges::copy(values, static_cast<float*>(t->data));
    return t;
  }

  ggml_context_ptr ctx_;
  std::vector<Linear> parts_;
  int64_t n_weight_ = 0;
};

struct Case {
  int64_t k;
  std::vector<int64_t> n_out;
};
// Panels of 256 rows (the last ones of fewer) and, for more than 1024 columns, of 128.
const Case kCases[] = {{96, {600, 40, 41}}, {1100, {300, 17}}};
constexpr int64_t kRows[] = {9, 127, 128, 129, 300};
// A panel at a time, and two or three of the larger ones.
constexpr size_t kGroupBytes[] = {1, 110'000, 600'000};

enum class Residual { none, floats, bf16 };

// One graph with one product, on rows of x.
class OneProduct {
 public:
  OneProduct(const Matrices& matrices, int64_t n_row, size_t group_bytes, int n_threads = 2)
      : matrices_(matrices),
        n_row_(n_row),
        compute_(test::make_compute(nullptr, n_threads, Kernels::automatic)),
        products_(compute_->workers(), group_bytes),
        x_(rounded(normal_floats(pad_panel_rows(n_row) * matrices.k(), 77))) {}

  std::vector<float> add(Residual kind) {
    const int64_t n = matrices_.n_column();
    const std::vector<float> floats = normal_floats(n_row_ * n, 78);
    const std::vector<ggml_bf16_t> halves = rounded(floats);
    std::vector<float> result(n_row_ * n);
    run([&](const GraphBuild& b) {
      ggml_tensor* residual = nullptr;
      if (kind == Residual::bf16) residual = b.wrap(GGML_TYPE_BF16, halves.data(), n, n_row_);
      // Of the graph's own memory, as in a layer.
      if (kind == Residual::floats)
        residual = ggml_scale(b.ctx, b.wrap(GGML_TYPE_F32, floats.data(), n, n_row_), 1.0f);
      if (residual != nullptr) b.expand(residual);
      const auto parts = matrices_.all();
      ggml_tensor* y = count(b, [&] { return products_.add(b, parts, x(b), n_row_, residual); });
      EXPECT_EQ(y == residual, kind == Residual::floats);
      b.expand(ggml_cpy(b.ctx, y, b.wrap(GGML_TYPE_F32, result.data(), n, n_row_)));
    });
    return result;
  }

  // The first matrix is the gate's, the second, of the same shape, is up.
  std::vector<uint16_t> gate(kernels::Activation activation) {
    const Linear &gate = matrices_.part(0), &up = matrices_.part(1);
    const int64_t n = gate.n_out();
    std::vector<uint16_t> result(n_row_ * n);
    run([&](const GraphBuild& b) {
      ggml_tensor* y =
          count(b, [&] { return products_.gate(b, gate, up, x(b), n_row_, activation); });
      ggml_tensor* rows = ggml_view_2d(b.ctx, y, n, n_row_, y->nb[1], 0);
      b.expand(ggml_cpy(b.ctx, rows, b.wrap(GGML_TYPE_BF16, result.data(), n, n_row_)));
    });
    return result;
  }

  const std::vector<ggml_bf16_t>& x() const { return x_; }
  int n_node() const { return n_node_; }

 private:
  ggml_tensor* x(const GraphBuild& b) const {
    return b.wrap(GGML_TYPE_BF16, x_.data(), matrices_.k(), pad_panel_rows(n_row_));
  }
  template <typename Make>
  ggml_tensor* count(const GraphBuild& b, const Make& make) {
    const int before = ggml_graph_n_nodes(b.graph);
    ggml_tensor* y = make();
    n_node_ = ggml_graph_n_nodes(b.graph) - before;
    EXPECT_LE(static_cast<size_t>(n_node_), products_.count_nodes(matrices_.n_weight()));
    return y;
  }
  void run(const std::function<void(const GraphBuild&)>& build) {
    const Status status = compute_->run(256, build);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(products_.take_status().ok());
  }

  const Matrices& matrices_;
  const int64_t n_row_;
  std::unique_ptr<Compute> compute_;
  PanelProducts products_;
  const std::vector<ggml_bf16_t> x_;
  int n_node_ = 0;
};

class Groups : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!PanelProducts::available()) GTEST_SKIP() << "no products in bf16";
  }
};

// Row i of the product with a matrix of floats that are rounded first.
std::vector<float> plain_row(const Matrices& matrices, const std::vector<ggml_bf16_t>& x,
                             int64_t i) {
  const int64_t k = matrices.k();
  std::vector<float> row;
  for (const Linear* part : matrices.all()) {
    const auto* w = static_cast<const float*>(part->weight.file->data);
    const auto* bias = part->bias == nullptr ? nullptr : static_cast<float*>(part->bias->data);
    for (int64_t j = 0; j < part->n_out(); ++j) {
      double sum = bias == nullptr ? 0.0 : bias[j];
      for (int64_t c = 0; c < k; ++c)
        sum += static_cast<double>(ggml_bf16_to_fp32(x[i * k + c])) *
               ggml_bf16_to_fp32(ggml_fp32_to_bf16(w[j * k + c]));
      row.push_back(static_cast<float>(sum));
    }
  }
  return row;
}

TEST_F(Groups, OneAfterTheOtherAreOne) {
  for (const Case& c : kCases) {
    const Matrices matrices(c.k, c.n_out);
    for (const int64_t n_row : kRows) {
      for (const auto residual : {Residual::none, Residual::floats, Residual::bf16}) {
        OneProduct whole(matrices, n_row, kOneGroup);
        const auto expected = whole.add(residual);
        EXPECT_EQ(whole.n_node(), 2);
        for (const size_t group_bytes : kGroupBytes) {
          SCOPED_TRACE(testing::Message() << c.k << " columns, " << n_row << " rows, residual "
                                          << int(residual) << ", groups of " << group_bytes);
          OneProduct parts(matrices, n_row, group_bytes);
          EXPECT_EQ(parts.add(residual), expected);
          if (group_bytes < 600'000) {
            EXPECT_GE(parts.n_node(), 4);
          }
        }
      }
    }
  }
}

TEST_F(Groups, HoldTheProduct) {
  for (const Case& c : kCases) {
    const Matrices matrices(c.k, c.n_out);
    const int64_t n_row = 129, n = matrices.n_column();
    OneProduct parts(matrices, n_row, 1);
    const auto actual = parts.add(Residual::none);
    for (const int64_t i : {int64_t{0}, int64_t{127}, n_row - 1}) {
      const auto expected = plain_row(matrices, parts.x(), i);
      EXPECT_LT(test::relative_error(std::span(actual).subspan(i * n, n), expected), 1e-5);
    }
  }
}

TEST_F(Groups, OfGatedProductsAreOne) {
  for (const Case& c : {Case{96, {420, 420}}, Case{1100, {150, 150}}}) {
    const Matrices matrices(c.k, c.n_out);
    for (const auto activation : {kernels::Activation::silu, kernels::Activation::gelu}) {
      for (const int64_t n_row : kRows) {
        const auto expected = OneProduct(matrices, n_row, kOneGroup).gate(activation);
        for (const size_t group_bytes : kGroupBytes) {
          SCOPED_TRACE(testing::Message() << c.k << " columns, " << n_row << " rows, activation "
                                          << int(activation) << ", groups of " << group_bytes);
          OneProduct parts(matrices, n_row, group_bytes);
          EXPECT_EQ(parts.gate(activation), expected);
          if (group_bytes == 1) {
            EXPECT_GE(parts.n_node(), 6);
          }
        }
      }
    }
  }
}

TEST_F(Groups, DoNotDependOnThreads) {
  const Matrices matrices(kCases[1].k, kCases[1].n_out);
  const auto expected = OneProduct(matrices, 129, 1, 1).add(Residual::floats);
  EXPECT_EQ(OneProduct(matrices, 129, 1, 3).add(Residual::floats), expected);
}

}  // namespace
}  // namespace restkv
