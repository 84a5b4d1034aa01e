#include "eval/variant_reading.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "cache/storage.h"
#include "core/clock.h"

namespace restkv {
namespace {

using Plans = std::span<const std::shared_ptr<const CachePlan>>;

bool reads_alone(const CachePlan& plan) {
  return plan.repeats() && plan.schedule.kind == Schedule::Kind::chunk;
}

Result<PrefillResult> read(const Model& model, Compute& compute, const VariantRequest& request,
                           Plans plans) {
  return prefill(model, compute,
                 {.tokens = request.prompt,
                  .on_progress = request.on_progress,
                  .attention = request.attention},
                 plans, std::make_shared<KvMeter>());
}

Status read_together(const Model& model, Compute& compute, const VariantRequest& request,
                     VariantReading* reading) {
  std::vector<std::shared_ptr<const CachePlan>> plans;
  std::vector<size_t> of;
  for (size_t v = 0; v < request.variants.size(); ++v) {
    if (reads_alone(*request.variants[v].plan)) continue;
    plans.push_back(request.variants[v].plan);
    of.push_back(v);
  }
  if (plans.empty()) return {};
  RESTKV_ASSIGN_OR_RETURN(PrefillResult result, read(model, compute, request, plans));
  for (size_t i = 0; i < of.size(); ++i)
    reading->sequences[of[i]] = std::move(result.sequences[i]);
  reading->shared_logits = std::move(result.read.last_logits);
  return {};
}

Status read_alone(const Model& model, Compute& compute, const VariantRequest& request, size_t v,
                  VariantReading* reading) {
  RESTKV_ASSIGN_OR_RETURN(PrefillResult result,
                          read(model, compute, request, {&request.variants[v].plan, 1}));
  reading->sequences[v] = std::move(result.sequences[0]);
  reading->own_logits[v] = std::move(result.read.last_logits);
  return {};
}

}  // namespace

Result<VariantReading> read_variants(const Model& model, Compute& compute,
                                     const VariantRequest& request) {
  const double start = now_ms();
  VariantReading reading;
  const size_t n = request.variants.size();
  reading.sequences.resize(n);
  reading.own_logits.resize(n);
  RESTKV_RETURN_IF_ERROR(read_together(model, compute, request, &reading));
  for (size_t v = 0; v < n; ++v) {
    if (reads_alone(*request.variants[v].plan))
      RESTKV_RETURN_IF_ERROR(read_alone(model, compute, request, v, &reading));
  }
  for (const Sequence& sequence : reading.sequences) {
    reading.caches.push_back({.n_entry = sequence.cache.n_entry(),
                              .over_budget = sequence.over_budget(),
                              .kv_bytes = sequence.cache.used_bytes(),
                              .eviction_ms = sequence.eviction_ms});
  }
  reading.ms = now_ms() - start;
  return reading;
}

MemoryPlan plan_variants(const HParams& hp, const PlannedReading& reading, int64_t n_new,
                         int n_sample, std::span<const Variant> variants) {
  std::vector<const CachePlan*> together;
  MemoryPlan memory, alone;
  size_t new_bytes = size_t{2} * variants.size() * hp.n_vocab * sizeof(float);
  for (const Variant& variant : variants) {
    const CachePlan& plan = *variant.plan;
    new_bytes += size_t(n_new) * hp.n_layer * plan.n_cached_head(hp) * 2 *
                 storage_row_bytes(plan.config.type, hp.head_dim);
    if (!reads_alone(plan)) {
      together.push_back(&plan);
      continue;
    }
    // A chunk behind a cut cache at a time; its cache stays while others read.
    PlannedReading chunk = reading;
    chunk.n_token = std::min(reading.n_token, plan.schedule.every);
    chunk.n_old = plan.config.budget;
    const CachePlan* one = &plan;
    const MemoryPlan need = plan_memory(hp, chunk, {&one, 1});
    memory.kv_peak_bytes += need.kv_peak_bytes;
    alone.hidden_bytes = std::max(alone.hidden_bytes, need.hidden_bytes);
    alone.work_bytes = std::max(alone.work_bytes, need.work_bytes);
  }
  if (!together.empty()) {
    const MemoryPlan need = plan_memory(hp, reading, together);
    memory.kv_peak_bytes += need.kv_peak_bytes;
    memory.hidden_bytes = need.hidden_bytes;
    memory.work_bytes = need.work_bytes;
  }
  memory.hidden_bytes = std::max(memory.hidden_bytes, alone.hidden_bytes);
  memory.kv_peak_bytes *= n_sample;  // a little too much: one full layer exists, not n_sample
  memory.work_bytes = std::max(memory.work_bytes, alone.work_bytes) + n_sample * new_bytes;
  return memory;
}

}  // namespace restkv
