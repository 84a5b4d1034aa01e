// Scores of one layer that serve several plans: one prompt may be cut for many budgets and splits,
// and most policies score alike for all of them.
//
// Thread safety: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/plan.h"
#include "restkv/policy.h"

namespace restkv {

class SharedScores {
 public:
  using Scores = std::shared_ptr<const std::vector<GroupScores>>;  // [n_store]

  SharedScores() = default;
  // The plans that will ask, each once at most; they must outlive this.
  explicit SharedScores(std::span<const CachePlan* const> plans);

  // What another plan has kept for this one; nullptr: nothing. REQUIRES: the plans' views of the
  // layer are alike.
  Scores take(const CachePlan& plan);
  // Scores of a plan that has asked. They stay until all plans that they serve have asked.
  void keep(const CachePlan& plan, Scores scores);

  // Sets of scores that exist at once at most.
  size_t n_kept() const;

 private:
  struct Set {
    const CachePlan* plan = nullptr;  // one of those that it serves
    int64_t n_plan = 0, n_left = 0;   // that it serves; of them, those that have not asked
    Scores scores{};
  };
  Set* find(const CachePlan& plan);

  std::vector<Set> sets_;
};

}  // namespace restkv
