#include "tests/engine/sequences.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace restkv::test {

std::unique_ptr<Compute> make_compute(const std::atomic<bool>* cancel, int n_threads,
                                      Kernels kernels) {
  return std::move(*Compute::create(n_threads, cancel, kernels));
}

CacheConfig cache_config(const std::string& policy, int64_t budget, Granularity granularity) {
  CacheConfig config;
  config.policy.name = policy;
  config.policy.window = 8;
  config.policy.kernel = 5;
  config.policy.span = 2;
  config.budget = budget;
  config.selection.granularity = granularity;
  return config;
}

CacheConfig scheduled(CacheConfig config, Schedule schedule) {
  config.schedule = schedule;
  return config;
}

void PrintTo(const NamedConfig& named, std::ostream* out) {
  *out << named.name;
}

Talk::Talk(const CacheConfig& config, std::shared_ptr<const Model> m)
    : model(std::move(m)), compute(make_compute()) {
  auto created = Session::create(*model, *compute, config);
  EXPECT_TRUE(created.ok()) << created.status().message();
  session = std::move(*created);
}

std::vector<float> Talk::read(std::span<const int32_t> tokens) {
  const Status status = session->read({.tokens = tokens});
  EXPECT_TRUE(status.ok()) << status.message();
  return {session->logits().begin(), session->logits().end()};
}

std::vector<float> Talk::decode(int32_t token) {
  const Status status = session->decode(token);
  EXPECT_TRUE(status.ok()) << status.message();
  return {session->logits().begin(), session->logits().end()};
}

Sequence make_sequence(const CacheConfig& config) {
  auto plan = CachePlan::make(config);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  Sequence sequence;
  sequence.plan = *plan;
  sequence.cache.meter = std::make_shared<KvMeter>();
  return sequence;
}

std::span<const int32_t> slice(const std::vector<int32_t>& tokens, int64_t first, int64_t n) {
  return std::span(tokens).subspan(first, n);
}

double relative_error(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double difference = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * static_cast<double>(a[i] - b[i]);
    size += b[i] * static_cast<double>(b[i]);
  }
  return std::sqrt(difference / size);
}

StoredRow stored_row(const LayerCache& layer, int32_t head, int32_t entry) {
  const auto bytes = [&](const std::byte* row) {
    return std::vector<std::byte>(row, row + layer.row_bytes());
  };
  return {bytes(layer.k_row(head, entry)), bytes(layer.v_row(head, entry))};
}

int32_t find_entry(const LayerCache& layer, int32_t head, int32_t position) {
  const auto positions = layer.positions(head);
  const auto at = std::ranges::lower_bound(positions, position);
  const bool found = at != positions.end() && *at == position;
  return found ? static_cast<int32_t>(at - positions.begin()) : -1;
}

std::vector<float> floats_of(const LayerCache& layer, const std::byte* row) {
  std::vector<float> floats(layer.head_dim());
  load_stored(row, layer.type(), 1, layer.head_dim(), floats.data());
  return floats;
}

void expect_equal(const KvCache& a, const KvCache& b) {
  ASSERT_EQ(a.layers.size(), b.layers.size());
  for (size_t l = 0; l < a.layers.size(); ++l) {
    const LayerCache &x = a.layers[l], &y = b.layers[l];
    ASSERT_EQ(x.n_head(), y.n_head());
    for (int32_t h = 0; h < x.n_head(); ++h) {
      ASSERT_EQ(x.count(h), y.count(h)) << "layer " << l << ", head " << h;
      EXPECT_TRUE(std::ranges::equal(x.positions(h), y.positions(h)));
      EXPECT_EQ(std::memcmp(x.k_row(h, 0), y.k_row(h, 0), x.count(h) * x.row_bytes()), 0);
      EXPECT_EQ(std::memcmp(x.v_row(h, 0), y.v_row(h, 0), x.count(h) * x.row_bytes()), 0);
    }
  }
}

void expect_survivors_unchanged(const KvCache& before, const KvCache& now) {
  ASSERT_EQ(before.layers.size(), now.layers.size());
  for (size_t l = 0; l < now.layers.size(); ++l) {
    const LayerCache &old_layer = before.layers[l], &layer = now.layers[l];
    ASSERT_EQ(old_layer.n_head(), layer.n_head());
    for (int32_t h = 0; h < layer.n_head(); ++h) {
      for (int32_t i = 0; i < layer.count(h); ++i) {
        const int32_t was = find_entry(old_layer, h, layer.positions(h)[i]);
        if (was < 0) continue;
        ASSERT_EQ(stored_row(layer, h, i), stored_row(old_layer, h, was))
            << "layer " << l << ", head " << h << ", position " << layer.positions(h)[i];
      }
    }
  }
}

KvCache copy_of(const KvCache& cache) {
  KvCache copy;
  copy.meter = std::make_shared<KvMeter>();
  copy.next_position = cache.next_position;
  for (const LayerCache& layer : cache.layers) {
    std::vector<int32_t> counts;
    for (int32_t h = 0; h < layer.n_head(); ++h)
      counts.push_back(layer.count(h));
    LayerCache& to = copy.layers.emplace_back(
        std::move(*LayerCache::allocate(counts, layer.head_dim(), layer.type(), copy.meter)));
    for (int32_t h = 0; h < layer.n_head(); ++h) {
      std::vector<int32_t> all(layer.count(h));
      std::iota(all.begin(), all.end(), 0);
      to.append_entries(h, layer, h, all);
    }
  }
  return copy;
}

}  // namespace restkv::test
