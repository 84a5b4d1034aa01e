#include "engine/memory_plan.h"

#include <algorithm>
#include <fstream>
#include <string>

#include "cache/storage.h"
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

MemoryPlan plan_memory(const HParams& hp, int64_t n_token, int64_t n_old,
                       std::span<const CachePlan* const> plans) {
  const size_t half_row = hp.head_dim * element_size(ElementType::f16);
  const size_t n = n_token, n_row = n_token + n_old;
  const size_t head_rows = size_t{hp.n_head} * hp.head_dim;
  MemoryPlan memory;
  size_t n_store = hp.n_head_kv;
  bool raw_keys = false, all_queries = false;
  for (const CachePlan* plan : plans) {
    const auto n_head = static_cast<size_t>(plan->n_cached_head(hp));
    const int64_t cut = plan->config.budget + std::max<int64_t>(0, plan->schedule.every);
    const size_t kept = plan->evicts(n_token + n_old) ? std::min<int64_t>(cut, n_row) : n_row;
    memory.kv_peak_bytes +=
        kept * n_head * hp.n_layer * 2 * storage_row_bytes(plan->config.type, hp.head_dim);
    if (n_old > 0) n_store = n_head;
    raw_keys = raw_keys || plan->rotates_when_read();
    all_queries = all_queries || plan->observes_all();
  }
  memory.kv_peak_bytes += n_row * n_store * half_row * 2;
  if (raw_keys) memory.kv_peak_bytes += n * n_store * half_row;
  memory.hidden_bytes = n * (hp.n_embd * sizeof(float) + sizeof(int32_t));
  if (all_queries) memory.hidden_bytes += n * head_rows * sizeof(float);
  const size_t chunk = std::min<size_t>(n, kMaxChunk);
  const size_t widest = std::max<size_t>(hp.n_ff, head_rows);
  const size_t projection = size_t{hp.n_embd} * head_rows * sizeof(float);
  memory.work_bytes = n_row * chunk * 2 + chunk * sizeof(float) * (4 * widest + 4 * hp.n_embd) +
                      size_t{hp.n_vocab} * sizeof(float) * 2 + projection +
                      n_row * hp.n_head * sizeof(int32_t);
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
