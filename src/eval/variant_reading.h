// One prompt under many variants: it is read once, and every variant's cache is cut from the same
// observations.
//
// That is exact for every schedule that cuts behind the prompt: attention over the prompt is the
// same for all, and a cut follows it. Under chunk:N the prompt's later chunks see a cut cache, so
// that each such variant reads the prompt by itself.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/compute.h"
#include "engine/memory_plan.h"
#include "engine/prefill.h"
#include "eval/variants.h"
#include "model/model.h"
#include "restkv/status.h"

namespace restkv {

struct VariantRequest {
  std::span<const int32_t> prompt{};  // at least one token
  std::span<const Variant> variants{};
  PrefillAttention attention{};
  std::function<void(const PrefillProgress&)> on_progress{};
};

// Of a variant's cache when the prompt had been read and cut.
struct VariantCache {
  int64_t n_entry = 0;  // of all layers and cached heads together
  int64_t over_budget = 0;
  size_t kv_bytes = 0;
  double eviction_ms = 0;  // scores that others use, too, count where they were asked for first
};

struct VariantReading {
  std::vector<Sequence> sequences;  // as variants
  std::vector<VariantCache> caches;
  double ms = 0;  // evictions included

  // Of what follows the prompt, [n_vocab].
  std::span<const float> logits(size_t variant) const {
    return own_logits[variant].empty() ? shared_logits : own_logits[variant];
  }
  std::vector<float> shared_logits;
  std::vector<std::vector<float>> own_logits;  // as variants; empty: the shared ones
};

// Errors: as prefill().
Result<VariantReading> read_variants(const Model& model, Compute& compute,
                                     const VariantRequest& request);

// What n_sample of them, one read after the other, and n_new tokens behind each will need.
MemoryPlan plan_variants(const HParams& hparams, const PlannedReading& reading, int64_t n_new,
                         int n_sample, std::span<const Variant> variants);

}  // namespace restkv
