// What must hold of the blocks that any pattern selects.
#include "sparse/select.h"

#include <gtest/gtest.h>

#include "tests/sparse/head.h"

namespace restkv::sparse {
namespace {

using test::Head;

HeadPattern choose(const PrefillAttention& method, const HeadObservation& head) {
  return (*make_pattern(method))->choose(head);
}

int64_t count(const std::vector<uint8_t>& mask) {
  return std::count(mask.begin(), mask.end(), 1);
}

TEST(Select, CausalSinkDiagonalAndTail) {
  for (int64_t n : {1, 100, 128, 129, 640, 1400}) {
    const Head head(n, n, 16);
    const int64_t n_block = n_blocks(n);
    for (const PrefillAttention& method : test::all_methods()) {
      for (int64_t n_tail : {0, 128, 200}) {
        const HeadPattern pattern = choose(method, head.observation);
        const std::vector<uint8_t> mask = test::select_all(head, pattern, 512, n_tail);
        for (int64_t b = 0; b < n_block; ++b) {
          const uint8_t* row = mask.data() + b * n_block;
          EXPECT_EQ(row[0], 1);
          EXPECT_EQ(row[b], 1);
          EXPECT_EQ(row[std::max<int64_t>(0, b - 1)], 1);
          for (int64_t j = 0; j < n_block; ++j) {
            ASSERT_EQ(row[j], j <= b ? row[j] & 1 : 0) << test::describe(method);
            const bool dense = std::min(n, (b + 1) * kBlock) > n - n_tail;
            if (dense && j <= b) {
              ASSERT_EQ(row[j], 1);
            }
          }
        }
      }
    }
  }
}

TEST(Select, MoreGammaMoreBlocks) {
  const Head head(1500, 1500, 16);
  for (const double tau : {0.0, 1.0}) {
    std::vector<uint8_t> before;
    for (const double gamma : {0.05, 0.3, 0.6, 0.8, 0.9, 0.97, 1.0}) {
      PrefillAttention method;
      method.kind = PrefillAttention::Kind::flex;
      method.tau = tau;
      method.gamma = gamma;
      method.min_budget = 128;
      const HeadPattern pattern = choose(method, head.observation);
      // A later chunk's threshold follows from earlier ones, at every gamma alike.
      std::vector<uint8_t> mask = test::select_all(head, pattern, 512, 0);
      for (size_t i = 0; i < before.size(); ++i)
        ASSERT_LE(before[i], mask[i]) << "gamma " << gamma << " tau " << tau;
      before = mask;
    }
    if (tau == 1.0) {
      EXPECT_EQ(count(before), 12 * 13 / 2);
    }
  }
}

TEST(Select, ChunksDoNotMatterWithoutQueries) {
  const Head head(1500, 1500, 16);
  for (const PrefillAttention& method : test::all_methods()) {
    const HeadPattern pattern = choose(method, head.observation);
    if (pattern.query_aware) continue;
    const std::vector<uint8_t> whole = test::select_all(head, pattern, 1536, 128);
    for (int64_t chunk : {128, 512, 1024})
      EXPECT_EQ(test::select_all(head, pattern, chunk, 128), whole) << test::describe(method);
  }
}

// A plain estimate of a query block's attention by key block.
std::vector<double> plain_shares(const Head& head, int64_t first, int64_t count, int64_t n_key) {
  const int64_t d = head.d, n_before = n_key - head.observation.n_query;
  std::vector<double> shares(n_blocks(n_key), 0.0);
  const int64_t n_row = n_pooled(count);
  for (int64_t p = 0; p < n_row; ++p) {
    const int64_t begin = first + p * kPool, end = std::min(begin + kPool, first + count);
    const int64_t n_seen = n_pooled(n_before + end);
    std::vector<double> logits(n_seen, 0.0);
    double top = -1e300, sum = 0.0;
    for (int64_t j = 0; j < n_seen; ++j) {
      for (int64_t i = begin; i < end; ++i) {
        for (int64_t c = 0; c < d; ++c)
          logits[j] += double{head.query(i)[c]} * head.pooled[j * d + c] / (end - begin);
      }
      top = std::max(top, logits[j]);
    }
    for (double& x : logits)
      sum += x = std::exp(x - top);
    for (int64_t j = 0; j < n_seen; ++j)
      shares[j * kPool / kBlock] += logits[j] / sum / n_row;
  }
  return shares;
}

TEST(Select, QueryAwareTakesTheLargestEstimates) {
  for (int64_t n_cached : {0, 90}) {
    const int64_t n_query = 700, n_key = n_cached + n_query;
    const Head head(n_query, n_key, 24);
    HeadPattern pattern;
    pattern.query_aware = true;
    pattern.gamma = 0.97;
    const QuerySpan span{.n_query = n_query, .n_key = n_key, .n_cached = n_cached, .n_dense = 0};
    std::vector<uint8_t> mask(span.n_query_block() * span.n_key_block());
    std::vector<float> scratch(select_scratch(span, head.d));
    Coverage covered;
    SelectBlocks args;
    args.pattern = &pattern;
    args.span = span;
    args.mask = mask.data();
    args.queries = head.query(0);
    args.query_stride = head.observation.query_stride;
    args.pooled_keys = head.observation.pooled_keys;
    args.covered = &covered;
    args.scratch = scratch.data();
    select_blocks(args);
    std::vector<double> chosen, left;
    double mass = 0.0;
    for (int64_t b = 0; b < span.n_query_block(); ++b) {
      const int64_t first = b * kBlock;
      const auto shares = plain_shares(head, first, span.end_query(b) - first, n_key);
      for (int64_t j = 0; j < span.n_visible(b); ++j) {
        const bool kept = mask[b * span.n_key_block() + j] == 1;
        const bool always = j == 0 || (span.first_key(b) / kBlock - 1 <= j);
        if (kept) mass += shares[j];
        if (!always) (kept ? chosen : left).push_back(shares[j]);
      }
    }
    EXPECT_GE(mass, 0.97 * span.n_query_block() * (1.0 - 1e-4));
    ASSERT_FALSE(chosen.empty());
    ASSERT_FALSE(left.empty());
    EXPECT_GE(*std::min_element(chosen.begin(), chosen.end()),
              *std::max_element(left.begin(), left.end()) * (1.0 - 1e-3));
  }
}

TEST(Select, CachedKeysAndUnalignedQueries) {
  const int64_t n_cached = 300, n_query = 400, n_key = n_cached + n_query;
  const QuerySpan span{.n_query = n_query, .n_key = n_key, .n_cached = n_cached, .n_dense = 0};
  HeadPattern pattern;
  pattern.diagonals = {3};
  pattern.columns = {4};
  std::vector<uint8_t> mask(span.n_query_block() * span.n_key_block());
  SelectBlocks args;
  args.pattern = &pattern;
  args.span = span;
  args.mask = mask.data();
  select_blocks(args);
  // Query block 0 stands at keys 300 .. 427 in blocks 2 and 3, block 3 at 684 .. 699 in block 5.
  EXPECT_EQ(mask, (std::vector<uint8_t>{1, 1, 1, 1, 0, 0,  //
                                        1, 1, 1, 1, 1, 0,  //
                                        1, 1, 1, 1, 1, 1,  //
                                        1, 1, 1, 0, 1, 1}));
}

}  // namespace
}  // namespace restkv::sparse
