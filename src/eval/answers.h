// The answers of all variants to one prompt: what variant_reading.h reads once is decoded together,
// so that the weights are read once a step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/variant_reading.h"

namespace restkv {

struct AnswersRequest {
  VariantRequest reading;
  int n_new = 1;                 // tokens of an answer at most
  bool stop_at_newline = false;  // an answer ends before a newline, too
};

struct VariantAnswer {
  std::string text;                      // valid UTF-8
  int64_t n_new = 0;                     // tokens of the answer, without the one that ended it
  const char* finish_reason = "length";  // or "stop"
};

struct Answers {
  std::vector<VariantAnswer> of;  // as variants
  std::vector<VariantCache> caches;
  double prefill_ms = 0;  // evictions included
  double decode_ms = 0;   // of all variants together
  int64_t n_step = 0;
};

// Greedy, ties to the lower token; at least one token, so that an end is barred from the first.
// Errors: as prefill() and decode().
Result<Answers> answer_all(const Model& model, Compute& compute, const AnswersRequest& request);

}  // namespace restkv
