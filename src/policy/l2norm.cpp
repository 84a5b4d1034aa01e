// The key norm (arXiv 2406.11430; docs/policies.md, l2norm): entries with the shortest keys stay,
// per KV head, nothing is protected. `l2norm` is the paper's code, which leaves the first two
// layers alone; `knorm` is kvpress' KnormPress, which skips none. RoPE keeps lengths, so it does
// not matter whether the keys are rotated.
#include <algorithm>
#include <cmath>
#include <new>

#include "policy/factories.h"

namespace restkv {
namespace {

constexpr int32_t kSkippedLayers = 2;

// [n_entry], minus the length of every key.
std::vector<float> negative_lengths(const RowsView& keys) {
  std::vector<float> scores(static_cast<size_t>(keys.n_row));
  std::vector<float> key(static_cast<size_t>(keys.n_col));
  for (int64_t j = 0; j < keys.n_row; ++j) {
    load_rows(keys, j, 1, key.data());
    double sum = 0.0;
    for (float x : key)
      sum += static_cast<double>(x) * x;
    scores[j] = -static_cast<float>(std::sqrt(sum));
  }
  return scores;
}

class KeyNorm : public EvictionPolicy {
 public:
  explicit KeyNorm(bool skips_layers) : skips_layers_(skips_layers) {}

  PolicyTraits traits() const override {
    return {.name = skips_layers_ ? "l2norm" : "knorm", .protects = Protects::nothing};
  }

  bool applies_to_layer(int32_t layer) const override {
    return !skips_layers_ || layer >= kSkippedLayers;
  }

  // All query heads of the group alike, so that the vote changes nothing.
  Status score(const Observation& group, GroupScores* scores) const override {
    try {
      *scores = {};
      const std::vector<float> row = negative_lengths(group.keys);
      scores->n_scored = group.n_entry();
      scores->smoothing.resize(group.n_group);
      for (int32_t h = 0; h < group.n_group; ++h)
        scores->raw.insert(scores->raw.end(), row.begin(), row.end());
    } catch (const std::bad_alloc&) {
      return Status::capacity("no memory for the lengths of the keys");
    }
    return {};
  }

 private:
  bool skips_layers_;
};

}  // namespace

PolicyResult make_l2norm(const PolicyOptions& options) {
  (void)options;
  return {std::make_unique<KeyNorm>(true)};
}

PolicyResult make_knorm(const PolicyOptions& options) {
  (void)options;
  return {std::make_unique<KeyNorm>(false)};
}

}  // namespace restkv
