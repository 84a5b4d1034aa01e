#include "engine/perplexity.h"

#include <numeric>

#include "core/log_sum_exp.h"
#include "engine/session.h"

namespace restkv {
namespace {

double negative_log_likelihood(std::span<const float> logits, int32_t token) {
  return log_sum_exp(logits) - logits[token];
}

// The whole text in one pass with the full cache.
Status score_in_one_pass(const Model& model, Compute& compute, const PerplexityRequest& request,
                         PerplexityResult* result) {
  ReadRequest read{
      .tokens = request.tokens, .on_progress = request.on_progress, .attention = request.attention};
  read.on_logits = [&](int64_t first, TensorView<const float, 2> logits) -> Status {
    for (int64_t i = 0; i < logits.shape[0]; ++i) {
      const size_t next = first + i + 1;
      if (next >= request.tokens.size()) break;
      const std::span<const float> row(logits.row(i), logits.shape[1]);
      result->token_nll.push_back(negative_log_likelihood(row, request.tokens[next]));
    }
    return {};
  };
  RESTKV_ASSIGN_OR_RETURN(const PrefillResult done,
                          prefill(model, compute, read, {}, std::make_shared<KvMeter>()));
  result->attention_blocks = done.read.blocks;
  return {};
}

// The prefix is read and evicted, the rest decoded token by token.
Status score_after_prefix(const Model& model, Compute& compute, const PerplexityRequest& request,
                          PerplexityResult* result) {
  RESTKV_ASSIGN_OR_RETURN(const auto session, Session::create(model, compute, request.cache));
  const std::span<const int32_t> tokens(request.tokens);
  RESTKV_RETURN_IF_ERROR(session->read({.tokens = tokens.first(request.n_prefix),
                                        .on_progress = request.on_progress,
                                        .attention = request.attention}));
  result->attention_blocks = session->attention_blocks();
  result->kv_bytes = session->cache().used_bytes();
  for (size_t i = request.n_prefix; i < tokens.size(); ++i) {
    result->token_nll.push_back(negative_log_likelihood(session->logits(), tokens[i]));
    if (i + 1 == tokens.size()) break;
    RESTKV_RETURN_IF_ERROR(session->decode(tokens[i]));
  }
  return {};
}

}  // namespace

Result<PerplexityResult> perplexity(const Model& model, Compute& compute,
                                    const PerplexityRequest& request) {
  const int64_t n = static_cast<int64_t>(request.tokens.size());
  if (n < 2) {
    return Status::usage("the text has " + std::to_string(n) +
                         " tokens, perplexity needs at least 2");
  }
  if (request.n_prefix < 0 || request.n_prefix >= n) {
    return Status::usage("--prefix is " + std::to_string(request.n_prefix) + ", the text has " +
                         std::to_string(n) + " tokens; it must be from 0 to " +
                         std::to_string(n - 1));
  }
  PerplexityResult result;
  RESTKV_RETURN_IF_ERROR(request.n_prefix == 0
                             ? score_in_one_pass(model, compute, request, &result)
                             : score_after_prefix(model, compute, request, &result));
  result.mean_nll = std::accumulate(result.token_nll.begin(), result.token_nll.end(), 0.0) /
                    static_cast<double>(result.token_nll.size());
  return result;
}

}  // namespace restkv
