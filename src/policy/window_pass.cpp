#include "policy/window_pass.h"

#include <algorithm>
#include <new>

#include "core/check.h"

namespace restkv {
namespace {

// Half a window of 32: enough pieces for a few threads even where a layer has two KV heads.
constexpr int64_t kMaxSlice = 16;

int64_t slice_rows(int64_t n_head, int64_t n_entry, int64_t n_row) {
  return rows_in_cache(n_head, n_entry, std::min(n_row, kMaxSlice));
}

}  // namespace

size_t window_pass_bytes(int64_t n_group, int64_t n_head, int64_t n_entry, int64_t n_query,
                         int n_threads) {
  const int64_t n_row = slice_rows(n_head, n_entry, n_query);
  const int64_t n_slice = (n_query + n_row - 1) / n_row;
  return sizeof(float) * (n_threads * RowMemory::n_float(n_head, n_entry, n_row) +
                          n_group * RowMemory::n_float(n_head, n_entry, n_slice));
}

WindowSlices::WindowSlices(std::span<const Observation> groups, int64_t first_row)
    : n_query(groups[0].queries.shape[1]), first_row(first_row) {
  RESTKV_CHECK(0 <= first_row && first_row < n_query);
  n_row = n_query - first_row;
  for (const Observation& group : groups)
    n_row = slice_rows(group.queries.shape[0], group.n_entry(), n_row);
}

void for_each_slice(std::span<const Observation> groups, const WindowSlices& slices,
                    Workers& workers, const std::function<void(const SliceRows&)>& visit) {
  const int64_t n_slice = slices.count();
  int64_t n_float = 0;
  for (const Observation& group : groups) {
    n_float = std::max(n_float,
                       RowMemory::n_float(group.queries.shape[0], group.n_entry(), slices.n_row));
  }
  float* floats = workers.memory(n_float);
  std::vector<RowMemory> memory;
  for (int thread = 0; thread < workers.n_threads(); ++thread)
    memory.emplace_back(floats + thread * n_float, n_float);
  workers.for_each(static_cast<int64_t>(groups.size()) * n_slice, [&](int64_t i, int thread) {
    const size_t g = static_cast<size_t>(i / n_slice);
    const Observation& group = groups[g];
    const RowSource source{group.queries, group.keys, group.attention_scale, slices.n_query};
    const int64_t first = slices.first_row + i % n_slice * slices.n_row;
    const int64_t count = std::min(slices.n_row, slices.n_query - first);
    RowMemory& rows = memory[thread];
    rows.compute(source, first, count, group.n_entry());
    for (int64_t h = 0; h < source.n_group(); ++h)
      visit({g, i % n_slice, rows.block(h, first, count)});
  });
  workers.trim();
}

std::vector<float> fold_factors(Fold fold, double alpha, int64_t n_query) {
  const float newer = static_cast<float>(alpha), older = static_cast<float>(1.0 - alpha);
  std::vector<float> factors(n_query, 1.0f);
  switch (fold) {
    case Fold::sum:
      break;
    case Fold::mean:
      std::ranges::fill(factors, 1.0f / static_cast<float>(n_query));
      break;
    case Fold::last:
      std::fill(factors.begin(), factors.end() - 1, 0.0f);
      break;
    case Fold::ema:
    case Fold::inv_ema: {
      double rest = 1.0;
      for (int64_t t = n_query - 1; t > 0; --t, rest *= older)
        factors[t] = static_cast<float>(newer * rest);
      factors[0] = static_cast<float>(rest);
      if (fold == Fold::inv_ema) std::ranges::reverse(factors);
      break;
    }
  }
  return factors;
}

RowFold::RowFold(std::span<const float> factors, int64_t n_slice, int64_t n_head, int64_t n_column)
    : factors_(factors.begin(), factors.end()),
      n_slice_(n_slice),
      n_head_(n_head),
      n_column_(n_column),
      stride_(kernels::round_up(n_column, kernels::kRowAlign)),
      rows_(std::make_unique_for_overwrite<float[]>(n_slice * n_head * stride_)) {}

void RowFold::add(int64_t slice, const RowBlock& block) {
  const float* factors = factors_.data() + block.first_row;
  float* out = slice_row(slice, block.head);
  // Rows that do not count are not looked at: 0 times NaN is not 0.
  int64_t first = 0;
  while (first < block.n_row && factors[first] == 0.0f)
    ++first;
  if (first == block.n_row) {
    std::fill_n(out, n_column_, 0.0f);
    return;
  }
  kernels::best_kernels().window_attention->weighted_sum(
      {block.row(first), block.stride, block.n_row - first, factors + first, n_column_, out});
}

void RowFold::merge(int64_t first, int64_t count) {
  for (int64_t head = 0; head < n_head_; ++head) {
    float* out = slice_row(0, head);
    for (int64_t slice = 1; slice < n_slice_; ++slice) {
      const float* more = slice_row(slice, head);
      for (int64_t j = first; j < first + count; ++j)
        out[j] += more[j];
    }
  }
}

std::span<float> RowFold::row(int64_t head) {
  return {slice_row(0, head), static_cast<size_t>(n_column_)};
}

RowFold folded_rows(const Observation& group, Fold fold, int64_t n_column) {
  const int64_t n_query = group.queries.shape[1];
  const WindowSlices slices({&group, 1}, fold == Fold::last ? n_query - 1 : 0);
  RowFold folded(fold_factors(fold, 1.0, n_query), slices.count(), group.queries.shape[0],
                 n_column);
  Alone alone;
  for_each_slice({&group, 1}, slices, alone,
                 [&](const SliceRows& rows) { folded.add(rows.slice, rows.block); });
  folded.merge(0, n_column);
  return folded;
}

Status score_by_attention(std::span<const Observation> groups, Fold fold,
                          const Smoothing& smoothing, Workers& workers,
                          std::span<GroupScores> scores) {
  try {
    const int64_t n_query = groups[0].queries.shape[1];
    const WindowSlices slices(groups, fold == Fold::last ? n_query - 1 : 0);
    const std::vector<float> factors = fold_factors(fold, 1.0, n_query);
    std::vector<RowFold> folds;
    for (const Observation& group : groups)
      folds.emplace_back(factors, slices.count(), group.queries.shape[0], group.n_past());
    for_each_slice(groups, slices, workers,
                   [&](const SliceRows& rows) { folds[rows.group].add(rows.slice, rows.block); });
    workers.for_each(static_cast<int64_t>(groups.size()), [&](int64_t g, int) {
      const int64_t n_head = groups[g].queries.shape[0], n_past = groups[g].n_past();
      folds[g].merge(0, n_past);
      scores[g] = {};
      scores[g].n_scored = n_past;
      scores[g].raw.reserve(n_head * n_past);
      for (int64_t h = 0; h < n_head; ++h)
        scores[g].raw.insert(scores[g].raw.end(), folds[g].row(h).begin(), folds[g].row(h).end());
      scores[g].smoothing.assign(n_head, smoothing);
    });
  } catch (const std::bad_alloc&) {
    return Status::capacity("no memory for the attention of the observation window");
  }
  return {};
}

}  // namespace restkv
