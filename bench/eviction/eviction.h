// What cutting the cache costs, policy by policy, beside the reading of the prompt. See README.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/compute.h"
#include "model/model.h"
#include "restkv/options.h"

namespace restkv::bench {

struct EvictionScenario {
  std::vector<int32_t> text;  // tokens, repeated as often as a prompt length asks
  std::vector<int64_t> prompt_tokens;
  std::vector<CacheConfig> configs;  // all judge the same reading
  int n_repeat = 3;
};

struct EvictionTime {
  std::string policy;
  int64_t prompt_tokens = 0;
  // Medians over the repetitions, and the range of the eviction.
  double eviction_ms = 0, min_ms = 0, max_ms = 0;
  double prefill_ms = 0;  // this policy's eviction included, the others' not
  int64_t entries = 0;
  double share() const { return eviction_ms / prefill_ms; }
};

// Errors: as prefill(); capacity and usage name the configuration's flag.
Result<std::vector<EvictionTime>> run_eviction(const Model& model, Compute& compute,
                                               const EvictionScenario& scenario);

}  // namespace restkv::bench
