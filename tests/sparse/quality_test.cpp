// Attention over the selected blocks alone, by plain loops, against all of it.
#include <gtest/gtest.h>

#include "tests/sparse/head.h"

namespace restkv::sparse {
namespace {

using test::Head;

constexpr int64_t kTokens = 900, kDim = 16;

struct Quality {
  double mass = 0, error = 0, share = 0;
};

// Values are the keys: what matters is which of them take part.
Quality measure(const Head& head, const std::vector<uint8_t>& mask) {
  const int64_t n_block = n_blocks(kTokens);
  Quality quality;
  std::vector<float> value(kDim);
  for (int64_t i = 0; i < kTokens; ++i) {
    const std::vector<double> row = test::weights(head.observation, i);
    std::vector<double> dense(kDim, 0.0), sparse(kDim, 0.0);
    double mass = 0.0;
    for (int64_t j = 0; j <= i; ++j) {
      load_rows(head.observation.keys, j, 1, value.data());
      const bool in = mask[i / kBlock * n_block + j / kBlock] == 1;
      mass += in ? row[j] : 0.0;
      for (int64_t c = 0; c < kDim; ++c) {
        dense[c] += row[j] * value[c];
        sparse[c] += in ? row[j] * value[c] : 0.0;
      }
    }
    double squares = 0.0;
    for (int64_t c = 0; c < kDim; ++c)
      squares += std::pow(sparse[c] / mass - dense[c], 2);
    quality.mass += mass / kTokens;
    quality.error += std::sqrt(squares) / kTokens;
  }
  quality.share = static_cast<double>(std::count(mask.begin(), mask.end(), 1)) /
                  static_cast<double>(n_block * (n_block + 1) / 2);
  return quality;
}

Quality measure(const Head& head, const PrefillAttention& method) {
  const HeadPattern pattern = (*make_pattern(method))->choose(head.observation);
  return measure(head, test::select_all(head, pattern, 256, 128));
}

TEST(Quality, AllBlocksAreDense) {
  const Head head(kTokens, kTokens, kDim);
  PrefillAttention method;
  method.kind = PrefillAttention::Kind::a_shape;
  method.n_local = kTokens;
  const Quality quality = measure(head, method);
  EXPECT_DOUBLE_EQ(quality.share, 1.0);
  EXPECT_NEAR(quality.mass, 1.0, 1e-9);
  EXPECT_NEAR(quality.error, 0.0, 1e-6);
}

TEST(Quality, FlexCoversWhatIsAskedFor) {
  const Head head(kTokens, kTokens, kDim);
  for (const double tau : {0.0, 1.0}) {
    double error = 1e9;
    for (const double gamma : {0.5, 0.8, 0.95, 0.99}) {
      PrefillAttention method;
      method.kind = PrefillAttention::Kind::flex;
      method.gamma = gamma;
      method.tau = tau;
      method.min_budget = 0;
      const Quality quality = measure(head, method);
      // The estimate is no bound; on this head it is close.
      EXPECT_GE(quality.mass, gamma - 0.05) << "gamma " << gamma << " tau " << tau;
      EXPECT_LE(quality.error, error + 1e-9);
      error = quality.error;
    }
  }
}

TEST(Quality, QueryAwareNeedsFewerBlocksThanAWindowForTheSame) {
  const Head head(kTokens, kTokens, kDim);
  PrefillAttention flex;
  flex.kind = PrefillAttention::Kind::flex;
  flex.gamma = 0.9;
  flex.min_budget = 0;
  const Quality by_queries = measure(head, flex);
  PrefillAttention window;
  window.kind = PrefillAttention::Kind::a_shape;
  Quality by_window;
  for (window.n_local = 128; window.n_local < kTokens; window.n_local += 128) {
    by_window = measure(head, window);
    if (by_window.mass >= by_queries.mass) break;
  }
  EXPECT_LE(by_queries.share, by_window.share);
}

}  // namespace
}  // namespace restkv::sparse
