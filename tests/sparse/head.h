// One query head with random queries and keys, whose attention has sinks and a slope toward the
// near.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "sparse/pattern.h"
#include "sparse/pooled_rows.h"
#include "sparse/select.h"
#include "tests/random.h"

namespace restkv::sparse::test {

struct Head {
  // n_query last queries of n_key keys; the same seed gives the same keys and queries.
  Head(int64_t n_query, int64_t n_key, int64_t d, uint32_t seed = 1)
      : d(d), queries(random_floats(n_query * (d + kPad), seed)) {
    std::vector<float> floats = random_floats(n_key * d, seed + 1);
    for (int64_t i = 0; i < n_key; ++i)
      point(floats.data() + i * d, i);
    for (int64_t i = 0; i < n_query; ++i)
      point(queries.data() + i * (d + kPad), n_key - n_query + i);
    for (int64_t i = 0; i < std::min<int64_t>(n_key, 5); ++i)
      floats[i * d + 2] = 2.0f;
    for (int64_t i = 0; i < n_query; ++i)
      queries[i * (d + kPad) + 2] = 2.0f;
    halves = to_halves(floats);
    observation.queries = queries.data();
    observation.n_query = n_query;
    observation.query_stride = d + kPad;
    observation.keys = {halves.data(), ElementType::f16, n_key, d, d};
    pooled.resize(n_pooled(n_key) * d);
    pool_rows(observation.keys, 0, n_pooled(n_key), pooled.data());
    observation.pooled_keys = {pooled.data(), ElementType::f32, n_pooled(n_key), d, d};
    observation.scale = 1.0f;
  }
  Head(const Head&) = delete;
  Head& operator=(const Head&) = delete;

  // Two columns that turn with the position.
  static void point(float* row, int64_t position) {
    row[0] = 2.0f * std::cos(static_cast<float>(position) / 300.0f);
    row[1] = 2.0f * std::sin(static_cast<float>(position) / 300.0f);
  }

  const float* query(int64_t i) const { return queries.data() + i * (d + kPad); }

  static constexpr int64_t kPad = 3;
  int64_t d;
  std::vector<float> queries;  // [n_query][d + kPad]
  std::vector<uint16_t> halves;
  std::vector<float> pooled;
  HeadObservation observation;
};

// Softmax weights of query i over the keys it sees, in double.
inline std::vector<double> weights(const HeadObservation& head, int64_t i) {
  const int64_t d = head.keys.n_col, n = head.keys.n_row - head.n_query + i + 1;
  std::vector<float> key(d);
  std::vector<double> row(n);
  double top = -1e300, sum = 0.0;
  for (int64_t j = 0; j < n; ++j) {
    load_rows(head.keys, j, 1, key.data());
    for (int64_t c = 0; c < d; ++c)
      row[j] += double{head.queries[i * head.query_stride + c]} * key[c] * head.scale;
    top = std::max(top, row[j]);
  }
  for (double& x : row)
    sum += x = std::exp(x - top);
  for (double& x : row)
    x /= sum;
  return row;
}

// The mask of a whole prompt, [n_query_block][n_key_block] in chunks of so many queries.
// REQUIRES: as many queries as keys, and a chunk of whole blocks.
inline std::vector<uint8_t> select_all(const Head& head, const HeadPattern& pattern, int64_t chunk,
                                       int64_t n_tail) {
  const int64_t n = head.observation.n_query, n_block = n_blocks(n);
  std::vector<uint8_t> mask(n_block * n_block);
  Coverage covered;
  for (int64_t first = 0; first < n; first += chunk) {
    const int64_t count = std::min(chunk, n - first);
    const QuerySpan span{.n_query = count,
                         .n_key = first + count,
                         .n_cached = 0,
                         .n_dense = n_dense_queries(first, count, n, n_tail)};
    std::vector<uint8_t> part(span.n_query_block() * span.n_key_block(), 7);
    std::vector<float> scratch(select_scratch(span, head.d));
    SelectBlocks args;
    args.pattern = &pattern;
    args.span = span;
    args.mask = part.data();
    args.queries = head.query(first);
    args.query_stride = head.observation.query_stride;
    args.pooled_keys = head.observation.pooled_keys;
    args.scale = head.observation.scale;
    args.n_block_left = n_blocks(n - first - count);
    args.covered = &covered;
    args.scratch = scratch.data();
    select_blocks(args);
    for (int64_t b = 0; b < span.n_query_block(); ++b) {
      std::copy_n(part.begin() + b * span.n_key_block(), span.n_key_block(),
                  mask.begin() + (first / kBlock + b) * n_block);
    }
  }
  return mask;
}

inline std::vector<PrefillAttention> all_methods() {
  using Kind = PrefillAttention::Kind;
  std::vector<PrefillAttention> list;
  for (const double tau : {0.0, 1.0}) {
    for (const double gamma : {0.3, 0.9, 1.0}) {
      PrefillAttention flex;
      flex.kind = Kind::flex;
      flex.tau = tau;
      flex.gamma = gamma;
      flex.min_budget = 128;
      list.push_back(flex);
    }
  }
  PrefillAttention other;
  other.kind = Kind::minference;
  other.n_vertical = 200;
  other.n_slash = 200;
  list.push_back(other);
  other.kind = Kind::a_shape;
  other.n_local = 300;
  list.push_back(other);
  return list;
}

inline std::string describe(const PrefillAttention& o) {
  return std::string(pattern_name(o.kind)) + " tau " + std::to_string(o.tau) + " gamma " +
         std::to_string(o.gamma);
}

}  // namespace restkv::sparse::test
