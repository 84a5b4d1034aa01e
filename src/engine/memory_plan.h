// What a run will need, known before it begins, so that a request that cannot fit is refused with a
// figure instead of ending in the system's out-of-memory killer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/plan.h"
#include "model/hparams.h"
#include "restkv/status.h"

namespace restkv {

struct MemoryPlan {
  size_t kv_peak_bytes = 0;  // one full layer and every compressed cache
  size_t hidden_bytes = 0;   // hidden states of the prompt
  // Attention mask, the graph's arena, weight panels, a dequantised W_o, indices and scores; an
  // estimate.
  size_t work_bytes = 0;
  size_t total_bytes() const { return kv_peak_bytes + hidden_bytes + work_bytes; }
};

struct PlannedReading {
  int64_t n_token = 0;  // read at once
  int64_t n_old = 0;    // entries per cached head that they follow
  Kernels kernels = Kernels::automatic;
  int n_threads = 1;
  PrefillAttention attention{};
};
MemoryPlan plan_memory(const HParams& hparams, const PlannedReading& reading,
                       std::span<const CachePlan* const> plans);

// What the system, or the limit of the container, can still give; nothing where neither says.
std::optional<size_t> available_memory();

// Error: capacity, when the plan is larger than what is available.
Status check_memory(const MemoryPlan& plan, int64_t n_token);

}  // namespace restkv
