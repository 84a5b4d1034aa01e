// How likely given texts are behind a prompt, under every variant: their tokens are fed one by one,
// whatever the model itself would say.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/compute.h"
#include "engine/sequence.h"
#include "eval/variant_reading.h"
#include "model/model.h"
#include "restkv/status.h"

namespace restkv {

struct TokenScore {
  double log_sum = 0;      // log of the sum of exp(logit)
  double nll = 0;          // nats
  bool likeliest = false;  // no other token has a greater logit
};

// The distribution of the next token from its logits.
// REQUIRES: finite logits, at least one.
TokenScore score_token(std::span<const float> logits, int32_t token);

// Nats of all tokens.
double nll_of(std::span<const TokenScore> tokens);
// As result lines have such figures: decimals beyond the sixth say nothing and make files long.
double rounded(double value);

// [n_variant][n_token]
using ContinuationScores = std::vector<std::vector<TokenScore>>;

struct ContinuationRequest {
  std::span<const int32_t> tokens{};  // at least one
  // Called for every token with what the variants predict in its place: logits(variant) is
  // [n_vocab], and the last score of each variant is this token's. An error ends the scoring.
  std::function<Status(const ContinuationScores& so_far,
                       const std::function<std::span<const float>(size_t)>& logits)>
      on_step{};
  // Leaves the sequences as they were, so that another continuation can follow the same prompt.
  // REQUIRES then: can_take_back() every variant.
  bool take_back = false;
};

// Errors: as decode().
Result<ContinuationScores> score_continuation(const Model& model, Compute& compute,
                                              VariantReading* reading,
                                              const ContinuationRequest& request);

// Whether a cache can be taken back: nothing cuts it behind the prompt.
inline bool can_take_back(const Variant& variant) {
  return !variant.plan->repeats();
}

}  // namespace restkv
