#include "engine/memory_plan.h"

#include <algorithm>
#include <fstream>
#include <string>

#include "engine/prefill.h"

namespace restkv {

MemoryPlan plan_memory(const HParams& hp, int64_t n_token, std::span<const CachePlan> plans) {
  const size_t entry_bytes = size_t{2} * hp.head_dim * element_size(ElementType::f16);  // K and V
  const size_t n = n_token;
  MemoryPlan memory;
  memory.kv_peak_bytes = n * hp.n_head_kv * entry_bytes;
  for (const CachePlan& plan : plans) {
    const bool per_query = plan.config.selection.granularity == Granularity::query_head;
    const size_t n_head = per_query ? hp.n_head : hp.n_head_kv;
    const size_t kept = plan.evicts(n_token) ? plan.config.budget : n_token;
    memory.kv_peak_bytes += kept * n_head * hp.n_layer * entry_bytes;
  }
  memory.hidden_bytes = n * (hp.n_embd * sizeof(float) + sizeof(int32_t));
  const size_t chunk = std::min<size_t>(n, kMaxChunk);
  const size_t widest = std::max<size_t>(hp.n_ff, size_t{hp.n_head} * hp.head_dim);
  memory.work_bytes = n * chunk * 2 + chunk * sizeof(float) * (4 * widest + 4 * hp.n_embd) +
                      size_t{hp.n_vocab} * sizeof(float) * 2;
  return memory;
}

std::optional<size_t> available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  for (size_t kib = 0; file >> key >> kib; std::getline(file, unit)) {
    if (key == "MemAvailable:") return kib * 1024;
  }
  return std::nullopt;
}

Status check_memory(const MemoryPlan& plan, int64_t n_token) {
  const std::optional<size_t> available = available_memory();
  if (!available || plan.total_bytes() <= *available) return {};
  const auto mib = [](size_t bytes) { return std::to_string(bytes >> 20) + " MiB"; };
  return Status::capacity("a prompt of " + std::to_string(n_token) + " tokens needs " +
                          mib(plan.total_bytes()) + " of memory, " + mib(*available) +
                          " are available");
}

}  // namespace restkv
