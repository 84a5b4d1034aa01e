// The answers of all variants to some prompts: each is read once (variant_reading.h), and all are
// decoded together, so that the weights are read once a step.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "eval/variant_reading.h"

namespace restkv {

struct AnswersRequest {
  VariantRequest reading;
  int n_new = 1;                 // tokens of an answer at most
  bool stop_at_newline = false;  // an answer ends before a newline, too
  // An answer ends before any of these texts. Where there are some the answer is code or the like:
  // a blank that it begins with is part of it, whatever the vocabulary makes of that.
  std::vector<std::string> stop{};
};

struct VariantAnswer {
  std::string text;                      // valid UTF-8
  int64_t n_new = 0;                     // tokens of the answer, without the one that ended it
  const char* finish_reason = "length";  // or "stop"
  std::vector<int32_t> unread{};         // its last token, where the cache does not have it yet
};

struct Answers {
  std::vector<VariantAnswer> of;  // as variants
  std::vector<VariantCache> caches;
  double prefill_ms = 0;  // evictions included
  double decode_ms = 0;   // of all variants, their share of steps with other prompts'
  int64_t n_step = 0;
};

// As requests. Greedy, ties to the lower token; at least one token, so that an end is barred from
// the first. Errors: as prefill() and decode().
Result<std::vector<Answers>> answer_all(const Model& model, Compute& compute,
                                        std::span<const AnswersRequest> requests);

// The same behind what has been read already, by the variants of request.reading; the sequences
// stay, with the answers in them but for what is unread. Caches and the time of reading are left to
// the caller.
Result<Answers> answer_behind(const Model& model, Compute& compute, const AnswersRequest& request,
                              VariantReading* reading);

}  // namespace restkv
