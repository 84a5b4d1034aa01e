// What all scoring policies share: the group's vote, smoothing, and the choice of entries.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <utility>

#include "core/check.h"
#include "core/pooling.h"
#include "core/topk.h"
#include "core/workers.h"
#include "restkv/policy.h"

namespace restkv {
namespace {

void smooth(std::span<const float> in, const Smoothing& smoothing, std::span<float> out) {
  switch (smoothing.kind) {
    case Smoothing::Kind::none:
      std::ranges::copy(in, out.begin());
      break;
    case Smoothing::Kind::average:
      average_pool(in, smoothing.kernel, out);
      break;
    case Smoothing::Kind::maximum:
      maximum_pool(in, smoothing.kernel, out);
      break;
    case Smoothing::Kind::shifted_box:
      shifted_box(in, smoothing.kernel, smoothing.shift, out);
      break;
  }
}

// What each head's scores are multiplied with before they are added up (or compared).
double head_weight(std::span<const float> row, GroupVote kind, int64_t n_head) {
  const double mean = 1.0 / static_cast<double>(n_head);
  if (kind == GroupVote::mean) return mean;
  if (kind != GroupVote::norm_mean) return 1.0;
  const double total = std::accumulate(row.begin(), row.end(), 0.0);
  return total > 0.0 ? mean / total : mean;
}

// [n_head][n] -> [n].
std::vector<float> vote(std::span<const float> scores, int64_t n_head, int64_t n, GroupVote kind) {
  std::vector<double> voted(static_cast<size_t>(n), 0.0);
  for (int64_t h = 0; h < n_head; ++h) {
    const std::span<const float> row = scores.subspan(h * n, n);
    const double weight = head_weight(row, kind, n_head);
    if (kind != GroupVote::max) {
      for (int64_t j = 0; j < n; ++j)
        voted[j] += weight * row[j];
      continue;
    }
    for (int64_t j = 0; j < n; ++j)
      voted[j] = h == 0 || std::isnan(row[j]) ? row[j] : std::max<double>(voted[j], row[j]);
  }
  return {voted.begin(), voted.end()};
}

// One group on its way from raw scores to those that top-k sees.
struct GroupRow {
  const GroupScores* scores = nullptr;
  std::vector<float> voted;     // where the vote comes first
  std::span<const float> raw;   // [n_row][n_scored]
  std::vector<float> smoothed;  // [n_row][n_scored]
  int64_t n_row() const { return std::ssize(raw) / std::max<int64_t>(scores->n_scored, 1); }
};

}  // namespace

std::vector<std::vector<float>> vote_and_smooth(std::span<const GroupScores> groups,
                                                VotePoint point, Granularity granularity,
                                                GroupVote kind, Workers& workers) {
  const bool votes = granularity == Granularity::kv_head || point == VotePoint::layer;
  const bool votes_after = votes && point == VotePoint::after_smoothing;
  const auto n_group = std::ssize(groups);
  std::vector<GroupRow> rows(groups.size());
  workers.for_each(n_group, [&](int64_t g, int) {
    const GroupScores& scores = groups[g];
    const int64_t n_head = scores.n_group(), n = scores.n_scored;
    RESTKV_CHECK(n_head >= 1 && std::ssize(scores.raw) == n_head * n);
    rows[g].scores = &scores;
    if (votes && !votes_after) rows[g].voted = vote(scores.raw, n_head, n, kind);
    rows[g].raw = votes && !votes_after ? rows[g].voted : scores.raw;
    rows[g].smoothed.resize(rows[g].raw.size());
  });
  // Rows of different groups are as independent as those of one.
  std::vector<std::pair<GroupRow*, int64_t>> pieces;
  for (GroupRow& group : rows) {
    for (int64_t r = 0; r < group.n_row(); ++r)
      pieces.emplace_back(&group, r);
  }
  workers.for_each(std::ssize(pieces), [&](int64_t i, int) {
    const auto [group, r] = pieces[i];
    const int64_t n = group->scores->n_scored;
    smooth(group->raw.subspan(r * n, n), group->scores->smoothing[r],
           std::span<float>(group->smoothed).subspan(r * n, n));
  });
  std::vector<std::vector<float>> voted(groups.size());
  workers.for_each(n_group, [&](int64_t g, int) {
    voted[g] = votes_after ? vote(rows[g].smoothed, groups[g].n_group(), groups[g].n_scored, kind)
                           : std::move(rows[g].smoothed);
  });
  return voted;
}

std::vector<float> vote_and_smooth(const GroupScores& scores, VotePoint point,
                                   Granularity granularity, GroupVote kind) {
  Alone alone;
  return std::move(vote_and_smooth({&scores, 1}, point, granularity, kind, alone)[0]);
}

GroupScores join_groups(std::span<const GroupScores> groups) {
  GroupScores layer;
  for (const GroupScores& group : groups) {
    RESTKV_CHECK(layer.smoothing.empty() || group.n_scored == layer.n_scored);
    layer.n_scored = group.n_scored;
    layer.raw.insert(layer.raw.end(), group.raw.begin(), group.raw.end());
    layer.smoothing.insert(layer.smoothing.end(), group.smoothing.begin(), group.smoothing.end());
    layer.drift.insert(layer.drift.end(), group.drift.begin(), group.drift.end());
    layer.entry_state.insert(layer.entry_state.end(), group.entry_state.begin(),
                             group.entry_state.end());
  }
  return layer;
}

namespace {

// Indices of the k best entries that are not forced.
std::vector<int32_t> best_open(std::span<const float> scores, int64_t k,
                               std::span<const int32_t> forced) {
  if (forced.empty()) return top_k(scores, k);
  std::vector<int32_t> open(scores.size());
  std::iota(open.begin(), open.end(), 0);
  std::vector<int32_t> left;
  left.reserve(open.size());
  std::ranges::set_difference(open, forced, std::back_inserter(left));
  std::vector<float> values;
  values.reserve(left.size());
  for (int32_t index : left)
    values.push_back(scores[index]);
  std::vector<int32_t> best = top_k(values, k);
  for (int32_t& index : best)
    index = left[index];
  return best;
}

}  // namespace

std::vector<int32_t> select_entries(std::span<const float> scores, int64_t n_keep, int64_t n_entry,
                                    std::span<const int32_t> forced) {
  const int64_t n_scored = static_cast<int64_t>(scores.size());
  const int64_t n_forced = static_cast<int64_t>(forced.size());
  n_keep = std::min(n_keep, n_scored);
  RESTKV_CHECK(n_forced <= n_keep && n_scored <= n_entry);
  RESTKV_CHECK(forced.empty() || (forced.front() >= 0 && forced.back() < n_scored));
  std::vector<int32_t> kept;
  kept.reserve(n_keep + n_entry - n_scored);
  std::ranges::merge(best_open(scores, n_keep - n_forced, forced), forced,
                     std::back_inserter(kept));
  for (int64_t entry = n_scored; entry < n_entry; ++entry)
    kept.push_back(static_cast<int32_t>(entry));
  return kept;
}

std::vector<int32_t> force_entries(std::span<const int32_t> kept, std::span<const int32_t> forced) {
  RESTKV_CHECK(forced.size() <= kept.size());
  std::vector<int32_t> missing, unforced, result;
  std::ranges::set_difference(forced, kept, std::back_inserter(missing));
  std::ranges::set_difference(kept, forced, std::back_inserter(unforced));
  std::ranges::merge(std::span<const int32_t>(unforced).subspan(missing.size()), forced,
                     std::back_inserter(result));
  return result;
}

}  // namespace restkv
