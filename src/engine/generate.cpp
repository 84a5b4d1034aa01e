#include "engine/generate.h"

#include <chrono>

#include "engine/sampler.h"
#include "engine/session.h"

namespace restkv {
namespace {

void report_cache(const Model& model, const Session& session, GenerateResult* result) {
  const HParams& hp = model.hparams();
  result->kv_bytes = session.cache().used_bytes();
  result->kv_full_bytes = size_t{2} * element_size(ElementType::f16) * result->prompt_tokens *
                          hp.n_layer * hp.n_head_kv * hp.head_dim;
  result->entries_per_layer = session.cache().entries_per_layer();
  result->kv_entries = session.cache().n_entry();
  result->kv_over_budget = session.over_budget();
}

}  // namespace

Status check_request(const GenerateRequest& request) {
  const int64_t n_prompt = static_cast<int64_t>(request.prompt.size());
  if (n_prompt == 0) return Status::usage("the prompt is empty, it must have at least one token");
  if (request.answer.n_ctx > 0 && n_prompt > request.answer.n_ctx) {
    return Status::capacity("the prompt has " + std::to_string(n_prompt) +
                            " tokens, the context (-c) holds " +
                            std::to_string(request.answer.n_ctx));
  }
  if (n_prompt > INT32_MAX / 2) {
    return Status::capacity("the prompt has " + std::to_string(n_prompt) + " tokens, at most " +
                            std::to_string(INT32_MAX / 2) + " are possible");
  }
  return {};
}

Result<GenerateResult> generate(const Model& model, Compute& compute,
                                const GenerateRequest& request) {
  RESTKV_RETURN_IF_ERROR(check_request(request));
  RESTKV_ASSIGN_OR_RETURN(auto sampler, Sampler::create(request.sampling, model.tokenizer()));
  RESTKV_ASSIGN_OR_RETURN(const auto session, Session::create(model, compute, request.cache));

  GenerateResult result;
  result.prompt_tokens = static_cast<int64_t>(request.prompt.size());
  const auto start = std::chrono::steady_clock::now();
  RESTKV_RETURN_IF_ERROR(session->read({.tokens = request.prompt,
                                        .on_progress = request.on_progress,
                                        .attention = request.attention}));
  result.prefill_ms = session->read_ms();
  result.eviction_ms = session->eviction_ms();
  result.attention_blocks = session->attention_blocks();
  report_cache(model, *session, &result);
  if (request.on_cache) RESTKV_RETURN_IF_ERROR(request.on_cache(session->cache()));

  sampler->accept_prompt(request.prompt);
  RESTKV_ASSIGN_OR_RETURN(
      result.answer, answer(model, compute, request.answer, session.get(), sampler.get(), start));
  result.decode_eviction_ms = session->eviction_ms() - result.eviction_ms;
  result.kv_peak_bytes = session->meter().peak_bytes();
  return result;
}

}  // namespace restkv
