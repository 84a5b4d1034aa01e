// The vertical-slash pattern of MInference (Jiang et al., NeurIPS 2024, arXiv 2407.02490). Where we
// differ: docs/sparse-prefill.md.
#include "sparse/block_mask.h"
#include "sparse/last_block.h"
#include "sparse/pattern.h"

namespace restkv::sparse {
namespace {

constexpr int64_t kLastQueries = 64;

class MInference final : public PrefillPattern {
 public:
  explicit MInference(const PrefillAttention& options) : options_(options) {}

  int64_t n_last_query() const override { return kLastQueries; }

  HeadPattern choose(const HeadObservation& head) const override {
    const LastBlock last = observe_last(head, kLastQueries);
    HeadPattern pattern;
    pattern.columns = cover(last.columns, 0.0, n_blocks(options_.n_vertical));
    pattern.diagonals = cover(last.diagonals, 0.0, n_blocks(options_.n_slash));
    return pattern;
  }

 private:
  const PrefillAttention options_;
};

}  // namespace

std::unique_ptr<const PrefillPattern> make_minference(const PrefillAttention& options) {
  return std::make_unique<MInference>(options);
}

}  // namespace restkv::sparse
