// AdaKV's head budgets (arXiv 2407.11550; docs/policies.md, splits over heads): the best entries of
// all heads together decide how many each head keeps; a share of the equal part is safe. Scores
// that are scaled per head first (`normalise`) are used for this count alone. The published code
// knows neither forced entries nor heads of different length: here the former are set aside, and a
// head that has less than its part leaves the rest to no one.
#include <algorithm>
#include <cmath>
#include <new>
#include <sstream>

#include "core/topk.h"
#include "policy/budget/parts.h"

namespace restkv {
namespace {

// The scores of one head that are not forced.
std::vector<float> open_scores(const HeadScores& head) {
  std::vector<float> open;
  open.reserve(head.scores.size());
  size_t next = 0;
  for (size_t j = 0; j < head.scores.size(); ++j) {
    if (next < head.forced.size() && head.forced[next] == static_cast<int32_t>(j)) {
      ++next;
    } else {
      open.push_back(head.scores[j]);
    }
  }
  return open;
}

// What the n_best largest are of the sum of all: 1 where that says nothing.
float best_share(std::span<const float> scores, int64_t n_best) {
  double total = 0.0, best = 0.0;
  for (float score : scores)
    total += score;
  for (int32_t j : top_k(scores, n_best))
    best += scores[j];
  const double share = best / total;
  return std::isfinite(share) ? static_cast<float>(share) : 1.0f;
}

// The candidates of all heads in one list, and how many places there are.
struct Pool {
  std::vector<float> scores;
  std::vector<int64_t> ends;   // [n_head], of each head's candidates
  std::vector<int64_t> equal;  // [n_head], places of a head under an equal split
  int64_t n_place = 0;
  bool all_fit = true;

  void add(const HeadScores& head, int64_t n_keep, bool normalise) {
    std::vector<float> open = open_scores(head);
    const int64_t n_open = static_cast<int64_t>(open.size());
    equal.push_back(std::max<int64_t>(0, n_keep - static_cast<int64_t>(head.forced.size())));
    n_place += equal.back();
    all_fit &= equal.back() > n_open;
    const float factor = normalise ? best_share(open, equal.back()) : 1.0f;
    for (float score : open)
      scores.push_back(score * factor);
    ends.push_back(static_cast<int64_t>(scores.size()));
  }

  // [n_head], how many of the best of all each head has.
  std::vector<int64_t> wins() const {
    std::vector<int64_t> won(ends.size(), 0);
    size_t head = 0;
    for (int64_t index : top_k(scores, n_place)) {
      while (index >= ends[head])
        ++head;
      ++won[head];
    }
    return won;
  }
};

Result<std::vector<int64_t>> shares_of(const HeadBudget& split, std::span<const HeadScores> heads,
                                       int64_t n_keep) {
  Pool pool;
  for (const HeadScores& head : heads)
    pool.add(head, n_keep, split.normalise);
  if (pool.all_fit) return uniform_heads(static_cast<int64_t>(heads.size()), n_keep);
  std::vector<int64_t> shares = pool.wins();
  const float rest = static_cast<float>(1.0 - split.floor);
  for (size_t h = 0; h < shares.size(); ++h) {
    const float safe =
        static_cast<float>(std::floor(static_cast<double>(pool.equal[h]) * split.floor));
    // In float, half to even: as the published code does it.
    const float share = std::nearbyint(static_cast<float>(shares[h]) * rest + safe);
    shares[h] = static_cast<int64_t>(share) + static_cast<int64_t>(heads[h].forced.size());
  }
  return shares;
}

}  // namespace

Result<std::vector<int64_t>> ada_heads(const HeadBudget& split, std::span<const HeadScores> heads,
                                       int64_t n_keep) {
  if (!(split.floor >= 0.0 && split.floor <= 1.0)) {
    std::ostringstream message;
    message << "--kv-ada-floor is " << split.floor << ", it must be from 0 to 1";
    return Status::usage(message.str());
  }
  try {
    return shares_of(split, heads, n_keep);
  } catch (const std::bad_alloc&) {
    return Status::capacity("no memory to compare the scores of all heads");
  }
}

}  // namespace restkv
