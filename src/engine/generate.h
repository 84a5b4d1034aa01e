// From a prompt to an answer inside a fixed K/V budget: prefill, evict, decode, sample.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/compute.h"
#include "engine/prefill.h"
#include "model/model.h"
#include "restkv/options.h"

namespace restkv {

struct GenerateRequest {
  std::vector<int32_t> prompt;
  CacheConfig cache;
  SamplingOptions sampling;
  int64_t n_predict = 512;  // tokens at most; -1: until the model stops or n_ctx is full
  int64_t n_ctx = 0;        // tokens of prompt and answer together; 0: no limit
  std::vector<std::string> stop;
  bool ignore_eos = false;
  // Text as it becomes certain (a possible beginning of a stop string is held back).
  std::function<void(std::string_view)> on_text;
  std::function<void(const PrefillProgress&)> on_progress;
};

struct GenerateResult {
  std::string text;
  std::vector<int32_t> tokens;
  std::string finish_reason;  // stop, length, interrupted
  int64_t prompt_tokens = 0;
  // What the cache held after prefill.
  size_t kv_bytes = 0, kv_peak_bytes = 0, kv_full_bytes = 0;
  int64_t kv_entries = 0;  // of all layers and cached heads together
  int64_t kv_over_budget = 0;
  std::vector<int64_t> entries_per_layer;
  int64_t decode_steps = 0;  // passes through the model after the prompt
  double prefill_ms = 0, eviction_ms = 0, first_token_ms = 0, decode_ms = 0;
  double decode_eviction_ms = 0;  // part of decode_ms: cuts by a schedule that counts tokens
};

// Checks that need no weights, so that a wrong request fails before anything is computed.
// Errors: usage (empty prompt), capacity (longer than n_ctx).
Status check_request(const GenerateRequest& request);

// Errors: as prefill, decode and Sampler. An interruption is no error once decoding has begun: the
// result then holds what was generated so far.
Result<GenerateResult> generate(const Model& model, Compute& compute,
                                const GenerateRequest& request);

}  // namespace restkv
