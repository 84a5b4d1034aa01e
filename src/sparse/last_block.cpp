#include "sparse/last_block.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/dispatch.h"
#include "sparse/block_mask.h"
#include "sparse/pooled_rows.h"

namespace restkv::sparse {
namespace {

constexpr int64_t kRowsAtOnce = 32;

// Softmax rows of some queries over rows of keys; `stride` floats apart.
struct Rows {
  std::vector<float> weights;
  int64_t stride = 0;
};

void attend(const float* queries, int64_t n_row, const RowsView& keys, const int64_t* visible,
            float scale, Rows* rows) {
  rows->stride = kernels::round_up(keys.n_row, kernels::kRowAlign);
  rows->weights.resize(n_row * rows->stride);
  std::vector<float> scratch(kernels::scratch_floats(keys.n_col));
  kernels::best_kernels().window_attention->attention_rows(
      {queries, n_row, visible, keys, scale, rows->weights.data(), rows->stride, scratch.data()});
}

std::vector<float> contiguous(const HeadObservation& head, int64_t first, int64_t n) {
  const int64_t d = head.keys.n_col;
  std::vector<float> rows(n * d);
  for (int64_t i = 0; i < n; ++i)
    std::copy_n(head.queries + (first + i) * head.query_stride, d, rows.data() + i * d);
  return rows;
}

// Sums over stretches of `n` weights, times factor.
template <typename T>
std::vector<float> sum_stretches(const std::vector<T>& weights, int64_t n_weight, int64_t n,
                                 double factor) {
  std::vector<float> sums((n_weight + n - 1) / n);
  for (size_t b = 0; b < sums.size(); ++b) {
    const int64_t begin = b * n, end = std::min(begin + n, n_weight);
    const double sum = std::accumulate(weights.begin() + begin, weights.begin() + end, 0.0);
    sums[b] = static_cast<float>(sum * factor);
  }
  return sums;
}

// by_offset[n_key - 1 - o]: weight of the keys o before their query. Of the entries of such a
// diagonal a share o % 128 / 128 lies one block further away than o / 128 blocks.
std::vector<float> by_distance(const std::vector<float>& by_offset, double factor) {
  const auto n_key = static_cast<int64_t>(by_offset.size());
  std::vector<double> sums(n_blocks(n_key) + 1, 0.0);
  for (int64_t o = 0; o < n_key; ++o) {
    const double weight = by_offset[n_key - 1 - o];
    const double further = static_cast<double>(o % kBlock) / kBlock;
    sums[o / kBlock] += (1.0 - further) * weight;
    sums[o / kBlock + 1] += further * weight;
  }
  sums[sums.size() - 2] += sums.back();
  std::vector<float> distances(sums.size() - 1);
  for (size_t i = 0; i < distances.size(); ++i)
    distances[i] = static_cast<float>(sums[i] * factor);
  return distances;
}

}  // namespace

LastBlock observe_last(const HeadObservation& head, int64_t n_row) {
  const auto& window = *kernels::best_kernels().window_attention;
  const auto add = kernels::best_kernels().layer_rows->add;
  const int64_t n_key = head.keys.n_row, n = std::min(n_row, head.n_query);
  std::vector<double> by_key(n_key, 0.0);
  std::vector<float> by_offset(n_key, 0.0f);
  Rows rows;
  for (int64_t first = 0; first < n; first += kRowsAtOnce) {
    const int64_t count = std::min(kRowsAtOnce, n - first);
    std::vector<int64_t> visible(count);
    for (int64_t i = 0; i < count; ++i)
      visible[i] = n_key - n + first + i + 1;
    const std::vector<float> queries = contiguous(head, head.n_query - n + first, count);
    attend(queries.data(), count, head.keys, visible.data(), head.scale, &rows);
    window.add_columns(rows.weights.data(), rows.stride, count, n_key, by_key.data());
    for (int64_t i = 0; i < count; ++i) {
      float* sums = by_offset.data() + n_key - visible[i];
      add(rows.weights.data() + i * rows.stride, nullptr, {.f32 = sums}, visible[i], sums);
    }
  }
  const double factor = 1.0 / static_cast<double>(n);
  return {sum_stretches(by_key, n_key, kBlock, factor), by_distance(by_offset, factor)};
}

std::vector<float> estimate_last(const HeadObservation& head, int64_t n_row) {
  const int64_t n_key = head.keys.n_row, d = head.keys.n_col, n = std::min(n_row, head.n_query);
  const int64_t n_pool = n_pooled(n);
  const RowsView last{head.queries + (head.n_query - n) * head.query_stride, ElementType::f32, n, d,
                      head.query_stride};
  std::vector<float> queries(n_pool * d);
  pool_rows(last, 0, n_pool, queries.data());
  std::vector<int64_t> visible(n_pool);
  for (int64_t p = 0; p < n_pool; ++p)
    visible[p] = n_pooled(n_key - n + std::min((p + 1) * kPool, n));
  Rows rows;
  attend(queries.data(), n_pool, head.pooled_keys, visible.data(), head.scale, &rows);
  std::vector<double> sums(n_pooled(n_key), 0.0);
  kernels::best_kernels().window_attention->add_columns(
      rows.weights.data(), rows.stride, n_pool, static_cast<int64_t>(sums.size()), sums.data());
  return sum_stretches(sums, static_cast<int64_t>(sums.size()), kBlock / kPool,
                       1.0 / static_cast<double>(n_pool));
}

std::vector<int32_t> cover(const std::vector<float>& weights, double gamma, int64_t n_min) {
  std::vector<int32_t> order(weights.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return weights[a] > weights[b]; });
  const double wanted = gamma * std::accumulate(weights.begin(), weights.end(), 0.0);
  double found = 0.0;
  size_t n = 0;
  while (n < order.size() && (static_cast<int64_t>(n) < n_min || found < wanted))
    found += weights[order[n++]];
  order.resize(n);
  std::sort(order.begin(), order.end());
  return order;
}

double jensen_shannon_distance(const std::vector<float>& p, const std::vector<float>& q) {
  double divergence = 0.0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double middle = 0.5 * (double{p[i]} + q[i]);
    if (p[i] > 0.0f) divergence += 0.5 * p[i] * std::log(p[i] / middle);
    if (q[i] > 0.0f) divergence += 0.5 * q[i] * std::log(q[i] / middle);
  }
  return std::sqrt(std::max(0.0, divergence));
}

}  // namespace restkv::sparse
