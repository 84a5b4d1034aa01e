#include "engine/memory_plan.h"

#include <algorithm>
#include <fstream>
#include <numeric>
#include <string>

#include "cache/storage.h"
#include "engine/chunks.h"
#include "engine/factors.h"
#include "engine/panel_products.h"
#include "engine/read_attention.h"
#include "engine/shared_scores.h"
#include "engine/tile_attention.h"
#include "engine/tile_column_sums.h"
#include "policy/window_pass.h"

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

// Entries that one cached head of a layer has room for behind n_row, on average over its heads.
size_t kept_entries(const CachePlan& plan, const HParams& hp, int32_t layer, size_t n_row) {
  const size_t all = n_row + plan.room();
  if (!plan.evicts(static_cast<int64_t>(n_row))) return all;
  if (!plan.config.strict && !plan.policy->applies_to_layer(layer)) return all;
  const auto n_layer = static_cast<int32_t>(hp.n_layer);
  const int64_t window = plan.protected_window();
  const auto shares = split_layers(plan.layer_budget, {.budget = plan.config.budget,
                                                       .window = window,
                                                       .n_seen = static_cast<int64_t>(n_row),
                                                       .n_layer = n_layer});
  int64_t past = shares.ok() ? (*shares)[layer] : plan.config.budget - window;
  if (plan.head_budget.kind == HeadBudget::Kind::table) {
    const std::vector<int64_t>& caps = plan.head_budget.table[layer];
    past = std::accumulate(caps.begin(), caps.end(), int64_t{0}) /
               static_cast<int64_t>(std::max<size_t>(1, caps.size())) +
           1;
  }
  return std::min<size_t>(past + window, n_row) + plan.room();
}

size_t cache_bytes(const CachePlan& plan, const HParams& hp, size_t n_row) {
  size_t n_entry = 0;
  for (uint32_t l = 0; l < hp.n_layer; ++l)
    n_entry += kept_entries(plan, hp, static_cast<int32_t>(l), n_row);
  return n_entry * plan.n_cached_head(hp) * 2 * storage_row_bytes(plan.config.type, hp.head_dim);
}

// What later evictions remember of every layer: the last queries, or all until the next cut, and
// the moments.
size_t remembered_bytes(const CachePlan& plan, const HParams& hp, size_t n_row) {
  if (!plan.repeats()) return 0;
  const size_t head_rows = size_t{hp.n_head} * hp.head_dim;
  const size_t until_cut = plan.evicts(static_cast<int64_t>(n_row)) ? 0 : n_row;
  const size_t n_query =
      2 * plan.n_last_query() + (plan.sums_columns() ? until_cut + plan.room() : 0);
  size_t bytes = n_query * head_rows * sizeof(float);
  if (plan.needs(Statistic::query_moments)) bytes += head_rows * (hp.head_dim + 1) * sizeof(double);
  return bytes * hp.n_layer;
}

}  // namespace

MemoryPlan plan_memory(const HParams& hp, const PlannedReading& reading,
                       std::span<const CachePlan* const> plans) {
  const int64_t n_token = reading.n_token, n_old = reading.n_old;
  const size_t half_row = hp.head_dim * element_size(ElementType::f16);
  const size_t n = n_token, n_row = n_token + n_old;
  const size_t head_rows = size_t{hp.n_head} * hp.head_dim;
  MemoryPlan memory;
  size_t n_store = hp.n_head_kv;
  bool raw_keys = false, all_queries = false, streams = false, sweeps = false;
  for (const CachePlan* plan : plans) {
    memory.kv_peak_bytes += cache_bytes(*plan, hp, n_row);
    memory.work_bytes += remembered_bytes(*plan, hp, n_row);
    if (n_old > 0) n_store = plan->n_cached_head(hp);
    raw_keys = raw_keys || plan->rotates_when_read();
    const bool summed =
        n_old == 0 && plan->sums_while_reading(n_token) && tiles_sum_columns(reading.kernels, n);
    streams = streams || summed;
    sweeps = sweeps || (!summed && plan->sums_columns());
    all_queries =
        all_queries || (summed ? plan->needs(Statistic::query_moments) : plan->observes_all());
  }
  memory.kv_peak_bytes += n_row * n_store * half_row * 2;
  if (raw_keys) memory.kv_peak_bytes += n * n_store * half_row;
  const bool panels = reads_in_panels(n_token, reading.kernels);
  memory.hidden_bytes =
      n * (hp.n_embd * (panels ? sizeof(uint16_t) : sizeof(float)) + sizeof(int32_t));
  // Before RoPE, and after it, where both are asked for.
  if (all_queries) memory.hidden_bytes += n * head_rows * sizeof(float) * (raw_keys ? 2 : 1);
  const size_t chunk = std::min<size_t>(n, max_chunk_rows(hp, n_token, reading.kernels));
  const size_t widest = std::max<size_t>(hp.n_ff, head_rows);
  const size_t row = panels ? activation_bytes(hp) : sizeof(float) * (4 * widest + 4 * hp.n_embd);
  const bool tiles = ReadAttention::uses_tiles(reading.kernels, reading.attention);
  if (tiles) memory.kv_peak_bytes += TileAttention::packed_bytes(n_row, hp.head_dim);
  if (streams) memory.work_bytes += n * hp.n_head * sizeof(double);
  if (sweeps && tiles_sum_columns(reading.kernels, n))
    memory.work_bytes += tile_column_bytes(n, n_row, hp.n_head / n_store, hp.head_dim);
  if (!tiles) memory.work_bytes += n_row * chunk * sizeof(uint16_t);  // the mask
  memory.work_bytes +=
      chunk * row + size_t{hp.n_vocab} * sizeof(float) * 2 + n_row * hp.n_head * sizeof(int32_t);
  const bool projects = std::ranges::any_of(
      plans, [](const CachePlan* plan) { return plan->needs(Statistic::wo_factor); });
  if (projects) memory.work_bytes += projection_factor_bytes(hp, reading.n_threads);
  if (reading.attention.kind != PrefillAttention::Kind::dense)
    memory.work_bytes += BlockChoice::work_bytes(hp, n_row, chunk, reading.n_threads);
  // A head's old keys in float, while they turn.
  if (raw_keys) memory.work_bytes += n_old * hp.head_dim * sizeof(float);
  size_t shared = panels ? PanelProducts::workspace_bytes(hp, reading.n_threads) : 0;
  for (const CachePlan* plan : plans) {
    if (!plan->needs(Statistic::window_queries) || plan->n_last_query() == 0) continue;
    shared = std::max(shared, window_pass_bytes(n_store, hp.n_head / n_store, n_row,
                                                plan->n_last_query(), reading.n_threads));
  }
  memory.work_bytes += shared;
  memory.work_bytes += SharedScores(plans).n_kept() * hp.n_head * n_row * sizeof(float);
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
