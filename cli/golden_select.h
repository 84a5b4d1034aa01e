// Runs the policy of a saved case: what every selecting head keeps, and the scores behind it.
#pragma once

#include <cstdint>
#include <vector>

#include "cli/golden_case.h"

namespace restkv::cli {

struct GoldenSelection {
  // [selecting head, or layer: GoldenCase::unit], ascending positions of the original sequence.
  std::vector<std::vector<int32_t>> indices;
  std::vector<std::vector<int32_t>> indices_kv;  // [KV head]; rest-kv under grouped queries
  // [selecting head][entry] as top-k saw them, at the prompt's end: the past entries, or all of
  // them in stepwise cases and without a window. Empty where nothing was scored: position-only
  // policies, and caches below the budget.
  std::vector<std::vector<float>> scores;
  std::vector<int64_t> kernel, shift;  // [query head], adaptive smoothing only
  std::vector<double> drift;           // [query head], the same
  std::vector<float> v_merged;         // [selecting head][length][head_dim], policies that merge
};

// Errors: capacity (no memory), usage (the policy's own refusal).
Result<GoldenSelection> run_golden_case(const GoldenCase& c);

}  // namespace restkv::cli
