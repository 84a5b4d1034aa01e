// Negative log-likelihood of a text, token by token: with the full cache in one pass, or of what
// follows a prefix whose cache was evicted.
#pragma once

#include <functional>
#include <vector>

#include "engine/compute.h"
#include "engine/prefill.h"
#include "model/model.h"
#include "restkv/options.h"

namespace restkv {

struct PerplexityRequest {
  std::vector<int32_t> tokens;  // at least two
  int64_t n_prefix = 0;         // > 0: the prompt that is read and evicted; only the rest is scored
  CacheConfig cache;
  PrefillAttention attention;
  std::function<void(const PrefillProgress&)> on_progress;
};

struct PerplexityResult {
  // nats, of token i + 1 given what precedes it; with a prefix, of tokens n_prefix .. on.
  std::vector<double> token_nll;
  double mean_nll = 0;
  size_t kv_bytes = 0;
  sparse::BlockCount attention_blocks;  // of what was read in one piece
};

// Errors: usage (too short), as prefill and decode.
Result<PerplexityResult> perplexity(const Model& model, Compute& compute,
                                    const PerplexityRequest& request);

}  // namespace restkv
