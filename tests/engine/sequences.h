// What the engine's tests share: configurations, sessions on a tiny model, comparisons.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/decode.h"
#include "engine/session.h"
#include "tests/engine/tiny_model.h"

namespace restkv::test {

// ggml's kernels: what these tests compare may differ by rounding alone, and rounding of bf16 would
// hide a wrong row. automatic_test.cpp compares the others with them.
// One thread: small graphs on shared cores spend their time waiting for each other.
std::unique_ptr<Compute> make_compute(const std::atomic<bool>* cancel = nullptr, int n_threads = 1,
                                      Kernels kernels = Kernels::ggml);

// Window 8, smoothing kernel 5, LaCache's span 2: what 3 layers and short prompts can do with.
CacheConfig cache_config(const std::string& policy, int64_t budget,
                         Granularity granularity = Granularity::kv_head);

CacheConfig scheduled(CacheConfig config, Schedule schedule);

// A parameter of tests, printed by its name.
struct NamedConfig {
  std::string name;
  CacheConfig config;
};
void PrintTo(const NamedConfig& named, std::ostream* out);

// A session and what it needs; a failed call is a failed test.
class Talk {
 public:
  explicit Talk(const CacheConfig& config, std::shared_ptr<const Model> model = tiny_model());

  // Logits of what follows.
  std::vector<float> read(std::span<const int32_t> tokens);
  std::vector<float> decode(int32_t token);

  const KvCache& cache() const { return session->cache(); }

  std::shared_ptr<const Model> model;
  std::unique_ptr<Compute> compute;
  std::unique_ptr<Session> session;
};

// A sequence without tokens; the test sees its memory too.
Sequence make_sequence(const CacheConfig& config);

std::span<const int32_t> slice(const std::vector<int32_t>& tokens, int64_t first, int64_t n);

// |a - b| / |b|.
double relative_error(std::span<const float> a, std::span<const float> b);

// One entry as it is stored.
struct StoredRow {
  std::vector<std::byte> k, v;
  bool operator==(const StoredRow&) const = default;
};
StoredRow stored_row(const LayerCache& layer, int32_t head, int32_t entry);
// Index of the entry at an original position, -1 where it is not kept.
int32_t find_entry(const LayerCache& layer, int32_t head, int32_t position);
// A row of K or V as float [head_dim].
std::vector<float> floats_of(const LayerCache& layer, const std::byte* row);

// Counts, positions and bytes of two caches are the same.
void expect_equal(const KvCache& a, const KvCache& b);
// Every entry of `now` that `before` has as well is stored there in the same bytes.
void expect_survivors_unchanged(const KvCache& before, const KvCache& now);
// A copy; its memory is counted apart.
KvCache copy_of(const KvCache& cache);

}  // namespace restkv::test
