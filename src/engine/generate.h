// From a prompt to an answer inside a fixed K/V budget: prefill, evict, decode, sample.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/answer.h"
#include "model/model.h"
#include "restkv/options.h"

namespace restkv {

struct GenerateRequest {
  std::vector<int32_t> prompt;
  CacheConfig cache;
  PrefillAttention attention;
  SamplingOptions sampling;
  AnswerOptions answer;
  std::function<void(const PrefillProgress&)> on_progress;
  // The cache once the prompt has been read and cut.
  std::function<Status(const KvCache&)> on_cache;
};

struct GenerateResult {
  AnswerResult answer;
  int64_t prompt_tokens = 0;
  // What the cache held after prefill.
  size_t kv_bytes = 0, kv_peak_bytes = 0, kv_full_bytes = 0;
  int64_t kv_entries = 0;  // of all layers and cached heads together
  int64_t kv_over_budget = 0;
  std::vector<int64_t> entries_per_layer;
  double prefill_ms = 0, eviction_ms = 0;
  sparse::BlockCount attention_blocks;  // of the prompt, all layers and query heads together
  double decode_eviction_ms = 0;  // part of the decode steps: cuts by a schedule that counts tokens
};

// Checks that need no weights, so that a wrong request fails before anything is computed.
// Errors: usage (empty prompt), capacity (longer than n_ctx).
Status check_request(const GenerateRequest& request);

// Errors: as prefill, decode and Sampler. An interruption is no error once decoding has begun: the
// result then holds what was generated so far.
Result<GenerateResult> generate(const Model& model, Compute& compute,
                                const GenerateRequest& request);

}  // namespace restkv
