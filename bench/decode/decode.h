// How fast tokens are decoded behind a prompt, by its length, beside libllama. See README.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bench/common/agreement.h"
#include "bench/common/contest.h"
#include "bench/common/stats.h"

namespace restkv::bench {

struct DecodeRow {
  std::string policy{};
  int64_t cache_tokens = 0;     // of the prompt
  Spread restkv{}, libllama{};  // tokens/s
  Ratio ratio{};
  int64_t entries = 0, planned = 0;  // behind the prompt
  // Of the first steps' logits under the full cache with libllama's, the worst.
  Agreement agreement{};
  bool counts = false;
};

// One row for each length and configuration, and one for our full cache where no configuration is
// that. n_step tokens are decoded in every repetition; a length of 0 stands for a prompt of one
// token. REQUIRES: a contender, lengths >= 0, n_step >= 1.
// Errors: as prefill(), decode() and Libllama.
Result<std::vector<DecodeRow>> run_decode(const Contest& contest,
                                          std::span<const int64_t> cache_tokens, int n_step);

}  // namespace restkv::bench
