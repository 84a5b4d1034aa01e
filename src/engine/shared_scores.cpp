#include "engine/shared_scores.h"

#include <algorithm>
#include <utility>

namespace restkv {
namespace {

// Whether one set of scores serves both.
bool score_alike(const CachePlan& a, const CachePlan& b) {
  return a.config.policy == b.config.policy && a.window == b.window &&
         (!a.traits.scores_by_budget || a.config.budget == b.config.budget);
}

// What lives with the entries is made anew for each plan, and so are merged values.
bool may_share(const CachePlan& plan) {
  return !plan.traits.keeps_all && !plan.traits.position_only && plan.traits.state_per_entry == 0;
}

}  // namespace

SharedScores::SharedScores(std::span<const CachePlan* const> plans) {
  for (const CachePlan* plan : plans) {
    if (!may_share(*plan)) continue;
    Set* set = find(*plan);
    if (set == nullptr) set = &sets_.emplace_back(Set{.plan = plan});
    ++set->n_plan;
    ++set->n_left;
  }
}

SharedScores::Set* SharedScores::find(const CachePlan& plan) {
  const auto found =
      std::ranges::find_if(sets_, [&](const Set& set) { return score_alike(*set.plan, plan); });
  return found == sets_.end() ? nullptr : &*found;
}

SharedScores::Scores SharedScores::take(const CachePlan& plan) {
  Set* const set = may_share(plan) ? find(plan) : nullptr;
  if (set == nullptr) return nullptr;
  --set->n_left;
  return set->n_left > 0 ? set->scores : std::exchange(set->scores, nullptr);
}

void SharedScores::keep(const CachePlan& plan, Scores scores) {
  Set* const set = may_share(plan) ? find(plan) : nullptr;
  if (set != nullptr && set->n_left > 0) set->scores = std::move(scores);
}

size_t SharedScores::n_kept() const {
  return std::ranges::count_if(sets_, [](const Set& set) { return set.n_plan > 1; });
}

}  // namespace restkv
