// Random entries, the floor that every method must beat: the ablation of the ReST-KV paper (arXiv
// 2605.08840; docs/policies.md, rest-kv). Nothing is protected. Every position of every query head
// has one score, drawn from the seed, so that a cache that is cut back again and again remains an
// even sample of all that was read; the paper's code draws anew.
#include <new>

#include "core/random.h"
#include "policy/factories.h"

namespace restkv {
namespace {

class Random : public EvictionPolicy {
 public:
  explicit Random(uint64_t seed) : seed_(seed) {}

  PolicyTraits traits() const override { return {.name = "random", .protects = Protects::nothing}; }

  Status score(const Observation& group, GroupScores* scores) const override {
    try {
      *scores = {};
      scores->n_scored = group.n_entry();
      scores->smoothing.resize(group.n_group);
      scores->raw.reserve(group.n_group * group.n_entry());
      const uint64_t layer_seed = derive_seed(seed_, group.context.layer);
      for (int32_t h = 0; h < group.n_group; ++h) {
        const uint64_t seed = derive_seed(layer_seed, group.kv_head * group.n_group + h);
        for (int32_t position : group.positions)
          scores->raw.push_back(SplitMix64(derive_seed(seed, position)).uniform());
      }
    } catch (const std::bad_alloc&) {
      return Status::capacity("no memory for random scores");
    }
    return {};
  }

 private:
  uint64_t seed_;
};

}  // namespace

PolicyResult make_random(const PolicyOptions& options) {
  return {std::make_unique<Random>(options.seed)};
}

}  // namespace restkv
