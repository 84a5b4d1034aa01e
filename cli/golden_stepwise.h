// Saved cases whose last positions arrive one by one: the policy runs at the prompt's end and after
// each of them, on what it has kept so far.
#pragma once

#include "cli/golden_select.h"

namespace restkv::cli {

// A scoring policy (TOVA, H2O). Scores are those at the prompt's end, over all its entries.
Status step_by_scores(const GoldenCase& c, const EvictionPolicy& policy, GoldenSelection* out);

// A position-only policy (LaCache, StreamingLLM).
Status step_by_positions(const GoldenCase& c, const EvictionPolicy& policy, GoldenSelection* out);

}  // namespace restkv::cli
