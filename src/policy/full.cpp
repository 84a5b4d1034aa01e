// The full cache: nothing is ever evicted. What every other policy is compared with.
#include <numeric>

#include "policy/factories.h"

namespace restkv {
namespace {

class Full : public EvictionPolicy {
 public:
  PolicyTraits traits() const override {
    return {
        .name = "full", .protects = Protects::nothing, .position_only = true, .keeps_all = true};
  }

  bool applies_to_layer(int32_t layer) const override {
    (void)layer;
    return false;
  }

  Result<std::vector<int32_t>> select_positions(const LayerContext& context, int64_t n_entry,
                                                LayerState* state) const override {
    (void)context, (void)state;
    std::vector<int32_t> all(static_cast<size_t>(n_entry));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
};

}  // namespace

PolicyResult make_full(const PolicyOptions& options) {
  (void)options;
  return {std::make_unique<Full>()};
}

}  // namespace restkv
