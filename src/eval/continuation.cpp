#include "eval/continuation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/log_sum_exp.h"
#include "engine/decode.h"

namespace restkv {

TokenScore score_token(std::span<const float> logits, int32_t token) {
  const float own = logits[token];
  const double log_sum = log_sum_exp(logits);
  return {.log_sum = log_sum,
          .nll = log_sum - own,
          .likeliest = own >= *std::ranges::max_element(logits)};
}

double nll_of(std::span<const TokenScore> tokens) {
  return std::accumulate(tokens.begin(), tokens.end(), 0.0,
                         [](double sum, const TokenScore& t) { return sum + t.nll; });
}

double rounded(double value) {
  return std::round(value * 1e6) / 1e6;
}

Result<ContinuationScores> score_continuation(const Model& model, Compute& compute,
                                              VariantReading* reading,
                                              const ContinuationRequest& request) {
  const size_t n_variant = reading->sequences.size(), n_vocab = model.hparams().n_vocab;
  ContinuationScores scores(n_variant);
  std::vector<float> step;
  const auto logits = [&](size_t v) -> std::span<const float> {
    return step.empty() ? reading->logits(v) : std::span(step).subspan(v * n_vocab, n_vocab);
  };
  int32_t n_fed = 0;
  for (size_t i = 0; i < request.tokens.size(); ++i) {
    const int32_t token = request.tokens[i];
    for (size_t v = 0; v < n_variant; ++v)
      scores[v].push_back(score_token(logits(v), token));
    if (request.on_step) RESTKV_RETURN_IF_ERROR(request.on_step(scores, logits));
    if (i + 1 == request.tokens.size()) break;
    std::vector<DecodeSlot> slots;
    for (Sequence& sequence : reading->sequences)
      slots.push_back({&sequence, token});
    RESTKV_RETURN_IF_ERROR(decode(model, compute, slots, &step));
    ++n_fed;
  }
  if (request.take_back) {
    for (Sequence& sequence : reading->sequences)
      sequence.drop_last(n_fed);
  }
  return scores;
}

}  // namespace restkv
