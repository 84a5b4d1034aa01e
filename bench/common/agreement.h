// Whether a measured result is the right one. A row counts only then.
#pragma once

#include <cstdint>
#include <span>

#include "engine/plan.h"
#include "model/hparams.h"

namespace restkv::bench {

// Two predictions of one next token.
struct Agreement {
  bool same_top = false;  // the likeliest token
  double kl = 0;          // Kullback-Leibler divergence of ours from theirs, nats
  bool ok() const { return same_top || kl < 0.05; }
};
// REQUIRES: the same number of logits, at least one.
Agreement compare_logits(std::span<const float> theirs, std::span<const float> ours);

// The worse of two.
Agreement worse(const Agreement& a, const Agreement& b);

// Entries that a first prompt of n tokens leaves by the plan's layer split, all layers and cached
// heads together. Error: as split_layers().
Result<int64_t> planned_entries(const CachePlan& plan, const HParams& hparams, int64_t n);

// Exactly as planned; within a twentieth where the heads of a layer share a budget or the policy
// counts by a rule of its own.
bool kept_as_planned(const CachePlan& plan, int64_t entries, int64_t planned);

}  // namespace restkv::bench
