#include "engine/memory_plan.h"

#include <algorithm>
#include <fstream>
#include <string>

#include "engine/prefill.h"

namespace restkv {
namespace {

std::optional<size_t> system_memory() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  for (size_t kib = 0; file >> key >> kib; std::getline(file, unit)) {
    if (key == "MemAvailable:") return kib * 1024;
  }
  return std::nullopt;
}

// What the limit of a container (control group, version 2 or 1) leaves; nothing without a limit.
std::optional<size_t> container_memory() {
  constexpr const char* kFiles[][2] = {
      {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
      {"/sys/fs/cgroup/memory/memory.limit_in_bytes",
       "/sys/fs/cgroup/memory/memory.usage_in_bytes"}};
  for (const auto& [limit_file, usage_file] : kFiles) {
    size_t limit = 0, usage = 0;
    if (std::ifstream(limit_file) >> limit && std::ifstream(usage_file) >> usage) {
      return limit > usage ? limit - usage : 0;
    }
  }
  return std::nullopt;
}

}  // namespace

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
  const size_t projection = size_t{hp.n_embd} * hp.n_head * hp.head_dim * sizeof(float);
  memory.work_bytes = n * chunk * 2 + chunk * sizeof(float) * (4 * widest + 4 * hp.n_embd) +
                      size_t{hp.n_vocab} * sizeof(float) * 2 + projection +
                      n * hp.n_head * sizeof(int32_t);
  return memory;
}

std::optional<size_t> available_memory() {
  const std::optional<size_t> system = system_memory(), container = container_memory();
  if (system && container) return std::min(*system, *container);
  return system ? system : container;
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
