// What all scoring policies share: the group's vote, smoothing, and the choice of entries.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "core/check.h"
#include "core/pooling.h"
#include "core/topk.h"
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
    for (int64_t j = 0; j < n; ++j) {
      if (kind == GroupVote::max) {
        voted[j] = h == 0 || std::isnan(row[j]) ? row[j] : std::max<double>(voted[j], row[j]);
      } else {
        voted[j] += weight * row[j];
      }
    }
  }
  return {voted.begin(), voted.end()};
}

}  // namespace

std::vector<float> vote_and_smooth(const GroupScores& scores, VotePoint point,
                                   Granularity granularity, GroupVote kind) {
  const int64_t n_head = scores.n_group();
  const int64_t n = scores.n_scored;
  RESTKV_CHECK(n_head >= 1 && static_cast<int64_t>(scores.raw.size()) == n_head * n);
  const bool votes = granularity == Granularity::kv_head || point == VotePoint::layer;
  std::vector<float> raw = scores.raw;
  int64_t n_row = n_head;
  if (votes && point != VotePoint::after_smoothing) {
    raw = vote(raw, n_head, n, kind);
    n_row = 1;
  }
  std::vector<float> smoothed(raw.size());
  for (int64_t r = 0; r < n_row; ++r) {
    smooth(std::span<const float>(raw).subspan(r * n, n), scores.smoothing[r],
           std::span<float>(smoothed).subspan(r * n, n));
  }
  if (votes && point == VotePoint::after_smoothing) return vote(smoothed, n_head, n, kind);
  return smoothed;
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
