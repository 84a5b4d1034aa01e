// The answers of all variants to one prompt: it is read once, every variant's cache is cut from the
// same observations, and all of them are decoded together, so that the weights are read once a
// step.
//
// One reading is exact for every schedule that cuts behind the prompt: attention over the prompt is
// the same for all, and a cut follows it. Under chunk:N the prompt's later chunks see a cut cache,
// so that each such variant reads the prompt by itself.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/compute.h"
#include "engine/memory_plan.h"
#include "engine/prefill.h"
#include "eval/variants.h"
#include "model/model.h"
#include "restkv/status.h"

namespace restkv {

struct AnswersRequest {
  std::span<const int32_t> prompt;  // at least one token
  std::span<const Variant> variants;
  int n_new = 1;                 // tokens of an answer at most
  bool stop_at_newline = false;  // an answer ends before a newline, too
  PrefillAttention attention{};
  std::function<void(const PrefillProgress&)> on_progress{};
};

struct VariantAnswer {
  std::string text;                      // valid UTF-8
  int64_t n_new = 0;                     // tokens of the answer, without the one that ended it
  const char* finish_reason = "length";  // or "stop"
  // Of the cache when the prompt had been read and cut.
  int64_t n_entry = 0;  // of all layers and cached heads together
  int64_t over_budget = 0;
  size_t kv_bytes = 0;
  double eviction_ms = 0;  // behind the prompt
};

struct Answers {
  std::vector<VariantAnswer> of;  // [variants]
  double prefill_ms = 0;          // evictions included
  double decode_ms = 0;           // of all variants together
  int64_t n_step = 0;
};

// Greedy, ties to the lower token; at least one token, so that an end is barred from the first.
// Errors: as prefill() and decode().
Result<Answers> answer_all(const Model& model, Compute& compute, const AnswersRequest& request);

// What answer_all() will need for a prompt of n_token tokens.
MemoryPlan plan_answers(const HParams& hparams, const PlannedReading& reading, int n_new,
                        std::span<const Variant> variants);

}  // namespace restkv
