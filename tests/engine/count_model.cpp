#include "tests/engine/count_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace restkv::test {

CountModel::CountModel(const CachePlan& plan, const HParams& hparams) : plan_(plan) {
  counts_.assign(hparams.n_layer, std::vector<int64_t>(plan.n_cached_head(hparams), 0));
}

void CountModel::read(int64_t n_token) {
  const bool chunks = plan_.repeats() && plan_.schedule.kind == Schedule::Kind::chunk;
  const bool cuts = plan_.repeats() || n_seen_ == 0;
  for (int64_t first = 0; first < n_token;) {
    const int64_t n = chunks ? std::min(plan_.schedule.every, n_token - first) : n_token;
    add(n);
    if (cuts) cut();
    first += n;
  }
}

void CountModel::decode() {
  add(1);
  ++n_decoded_;
  const bool counted = plan_.repeats() && plan_.schedule.kind == Schedule::Kind::decode;
  if (counted && n_decoded_ >= plan_.schedule.every) cut();
}

void CountModel::add(int64_t n_token) {
  n_seen_ += n_token;
  is_cut_ = false;
  for (auto& layer : counts_) {
    for (int64_t& n : layer)
      n += n_token;
  }
}

void CountModel::cut() {
  n_decoded_ = 0;
  if (!plan_.evicts(n_seen_)) return;
  is_cut_ = true;
  for (size_t l = 0; l < counts_.size(); ++l)
    cut_layer(static_cast<int32_t>(l));
}

void CountModel::cut_layer(int32_t layer) {
  if (leaves_alone(layer)) return;
  for (size_t h = 0; h < counts_[layer].size(); ++h) {
    int64_t& n = counts_[layer][h];
    n = std::min(n, cap(layer, h) + plan_.protected_window());
  }
}

bool CountModel::leaves_alone(int32_t layer) const {
  return !plan_.config.strict && !plan_.policy->applies_to_layer(layer);
}

// Ada asks the scores, a strict table is trimmed, LaCache's second ladder may take a little more.
bool CountModel::is_exact() const {
  const HeadBudget::Kind heads = plan_.head_budget.kind;
  const bool trims = heads == HeadBudget::Kind::table && plan_.config.strict;
  return heads != HeadBudget::Kind::ada && !trims && plan_.traits.name != "lacache";
}

int64_t CountModel::n_forced() const {
  Protection all = plan_.config.protection;
  all.n_sink = plan_.n_sink();
  return all.count(n_seen_ - plan_.protected_window());
}

int64_t CountModel::share(int32_t layer) const {
  const LayerSplit split{.budget = plan_.config.budget,
                         .window = plan_.protected_window(),
                         .n_forced = n_forced(),
                         .n_seen = n_seen_,
                         .n_layer = static_cast<int32_t>(counts_.size()),
                         .spares_short = plan_.traits.pyramid_spares_short,
                         .strict = plan_.config.strict};
  const auto shares = split_layers(plan_.layer_budget, split);
  EXPECT_TRUE(shares.ok()) << shares.status().message();
  return shares.ok() ? shares.value()[layer] : 0;
}

int64_t CountModel::cap(int32_t layer, size_t head) const {
  if (plan_.head_budget.kind != HeadBudget::Kind::table) return share(layer);
  const std::vector<int64_t>& row = plan_.head_budget.table[layer];
  const size_t n_group = row.size() / counts_[layer].size();
  double sum = 0;
  for (size_t i = 0; i < n_group; ++i)
    sum += static_cast<double>(row[head * n_group + i]);
  return static_cast<int64_t>(std::nearbyint(sum / static_cast<double>(n_group)));
}

void CountModel::check(const KvCache& cache) {
  ASSERT_EQ(cache.layers.size(), counts_.size());
  EXPECT_EQ(cache.next_position, n_seen_);
  for (size_t l = 0; l < counts_.size(); ++l) {
    const LayerCache& layer = cache.layers[l];
    ASSERT_EQ(static_cast<size_t>(layer.n_head()), counts_[l].size());
    if (is_cut_ && !is_exact()) check_sum(static_cast<int32_t>(l), layer);
    for (int32_t h = 0; h < layer.n_head(); ++h) {
      if (is_exact() || !is_cut_) {
        EXPECT_EQ(layer.count(h), counts_[l][h]) << "layer " << l << ", head " << h;
      }
      counts_[l][h] = layer.count(h);
    }
  }
}

void CountModel::check_sum(int32_t l, const LayerCache& layer) const {
  if (leaves_alone(l) || plan_.traits.keeps_all) return;
  const bool ada = plan_.head_budget.kind == HeadBudget::Kind::ada;
  const int64_t n_head = layer.n_head();
  const int64_t equal = n_head * (share(l) + plan_.protected_window());
  // Ada rounds the number of every head on its own.
  EXPECT_LE(layer.n_entry(), equal + (ada && !plan_.config.strict ? (n_head + 1) / 2 : 0));
}

}  // namespace restkv::test
