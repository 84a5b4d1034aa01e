// Sinks and a sliding window, the A-shape of MInference (arXiv 2407.02490) and the mask of
// StreamingLLM (arXiv 2309.17453), the same for all heads.
#include <algorithm>
#include <numeric>

#include "sparse/block_mask.h"
#include "sparse/pattern.h"

namespace restkv::sparse {
namespace {

class AShape final : public PrefillPattern {
 public:
  explicit AShape(const PrefillAttention& options) : options_(options) {}

  int64_t n_last_query() const override { return 0; }

  HeadPattern choose(const HeadObservation& head) const override {
    const int64_t n = n_blocks(head.keys.n_row);
    HeadPattern pattern;
    pattern.columns = first_numbers(std::min(n_blocks(options_.n_sink), n));
    // The first query of a block looks back beyond as many whole blocks as the window holds.
    pattern.diagonals = first_numbers(std::min(n_blocks(options_.n_local) + 1, n));
    return pattern;
  }

 private:
  static std::vector<int32_t> first_numbers(int64_t n) {
    std::vector<int32_t> numbers(n);
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
  }

  const PrefillAttention options_;
};

}  // namespace

std::unique_ptr<const PrefillPattern> make_a_shape(const PrefillAttention& options) {
  return std::make_unique<AShape>(options);
}

}  // namespace restkv::sparse
