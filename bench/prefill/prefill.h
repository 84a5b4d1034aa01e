// How fast a prompt is read, beside libllama. See README.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bench/common/agreement.h"
#include "bench/common/contest.h"
#include "bench/common/stats.h"

namespace restkv::bench {

struct PrefillRow {
  std::string policy{};
  int64_t prompt_tokens = 0;
  Spread restkv{}, libllama{};  // tokens/s
  Ratio ratio{};
  Spread eviction_share{};  // of our prefill
  double block_share = 1;   // of the blocks that a dense attention computes
  int64_t entries = 0, planned = 0;
  Agreement agreement{};  // of the last token's logits with libllama's
  bool counts = false;
};

// One row for each length and configuration. Where the attention leaves blocks out the logits are
// compared, but do not decide whether a row counts. REQUIRES: a contender, lengths >= 1.
// Errors: as prefill() and Libllama.
Result<std::vector<PrefillRow>> run_prefill(const Contest& contest,
                                            std::span<const int64_t> prompt_tokens,
                                            const PrefillAttention& attention = {});

}  // namespace restkv::bench
