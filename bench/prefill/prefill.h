// How fast a prompt is read, beside libllama. See README.md.
#pragma once

#include <cstdint>
#include <optional>
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
  bool has_contender = false, has_dense = false;
  Spread restkv{}, libllama{};  // tokens/s
  Ratio ratio{};                // to libllama
  Spread dense{};               // ours with dense attention; where this row's leaves blocks out
  Ratio to_dense{};
  Spread eviction_share{};  // of our prefill
  double block_share = 1;   // of the blocks that a dense attention computes
  int64_t entries = 0, planned = 0;
  std::optional<Agreement> agreement{};  // of the last token's logits, see below
  bool counts = false;
};

// One row for each length and configuration. Where the attention leaves blocks out, the prompt is
// read densely as well, by turns, and logits are compared but do not decide whether a row counts:
// with libllama's, or without a contender with those of our dense reading, if there is one.
// REQUIRES: lengths >= 1.
// Errors: as prefill() and Libllama.
Result<std::vector<PrefillRow>> run_prefill(const Contest& contest,
                                            std::span<const int64_t> prompt_tokens,
                                            const PrefillAttention& attention = {});

}  // namespace restkv::bench
