// Runs the policy of a saved case: what every selecting head keeps, and the scores behind it.
#pragma once

#include <cstdint>
#include <vector>

#include "cli/golden_case.h"

namespace restkv::cli {

struct GoldenSelection {
  std::vector<std::vector<int32_t>> indices;     // [selecting head], ascending positions
  std::vector<std::vector<int32_t>> indices_kv;  // [KV head]; rest-kv under grouped queries
  // Empty where nothing was scored: position-only policies, and caches below the budget.
  std::vector<std::vector<float>> scores;  // [selecting head][past]
  std::vector<int64_t> kernel, shift;      // [query head], adaptive smoothing only
  std::vector<double> drift;               // [query head], the same
};

// Errors: capacity (no memory), usage (the policy's own refusal).
Result<GoldenSelection> run_golden_case(const GoldenCase& c);

}  // namespace restkv::cli
