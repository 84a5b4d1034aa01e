// What cutting the cache costs, policy by policy, beside the reading of the prompt. See README.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bench/common/contest.h"
#include "bench/common/stats.h"

namespace restkv::bench {

struct EvictionRow {
  std::string policy{};
  int64_t prompt_tokens = 0;
  Spread eviction_ms{}, prefill_ms{};  // this policy's eviction included, the others' not
  Spread share{};                      // eviction of prefill
  Ratio to_first{};                    // its eviction over that of the first configuration
  int64_t entries = 0, planned = 0;
  bool counts = false;
};

// All configurations judge the same readings. Errors: as prefill(); capacity and usage name the
// configuration's flag.
Result<std::vector<EvictionRow>> run_eviction(const Contest& contest,
                                              std::span<const int64_t> prompt_tokens);

}  // namespace restkv::bench
