// FlexPrefill (Lai et al., ICLR 2025, arXiv 2502.20766). Where we differ: docs/sparse-prefill.md.
#include "sparse/block_mask.h"
#include "sparse/last_block.h"
#include "sparse/pattern.h"

namespace restkv::sparse {
namespace {

class Flex final : public PrefillPattern {
 public:
  explicit Flex(const PrefillAttention& options) : options_(options) {}

  int64_t n_last_query() const override { return kBlock; }
  bool pools() const override { return options_.tau > 0.0; }

  HeadPattern choose(const HeadObservation& head) const override {
    const LastBlock last = observe_last(head, kBlock);
    const int64_t n_min = n_blocks(options_.min_budget);
    HeadPattern pattern;
    pattern.gamma = options_.gamma;
    if (pools()) {
      const std::vector<float> estimate = estimate_last(head, kBlock);
      pattern.query_aware = jensen_shannon_distance(last.columns, estimate) < options_.tau;
      pattern.last.add(estimate);
    }
    // The minimum holds for both kinds; a query-aware head has its gamma from its own queries.
    const double gamma = pattern.query_aware ? 0.0 : options_.gamma;
    pattern.columns = cover(last.columns, gamma, n_min);
    pattern.diagonals = cover(last.diagonals, gamma, n_min);
    return pattern;
  }

 private:
  const PrefillAttention options_;
};

}  // namespace

std::unique_ptr<const PrefillPattern> make_flex(const PrefillAttention& options) {
  return std::make_unique<Flex>(options);
}

}  // namespace restkv::sparse
