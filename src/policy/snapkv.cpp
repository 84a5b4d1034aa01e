// SnapKV (arXiv 2404.14469; policies.md section 3): attention of the observation window summed
// over its queries, pooled over the neighbours. The group votes before pooling. The papers' kernel
// is 5; here it is PolicyOptions::kernel.
#include <algorithm>
#include <new>

#include "policy/factories.h"
#include "policy/options.h"
#include "policy/window_pass.h"

namespace restkv {
namespace {

class SnapKv : public EvictionPolicy {
 public:
  explicit SnapKv(Smoothing pooling) : pooling_(pooling) {}

  PolicyTraits traits() const override {
    return {
        .name = "snapkv", .needs = Statistic::window_queries, .vote = VotePoint::before_smoothing};
  }

  Status score(const Observation& group, GroupScores* scores) const override {
    try {
      score_or_throw(group, scores);
    } catch (const std::bad_alloc&) {
      return Status::capacity("no memory for the attention of the observation window");
    }
    return {};
  }

 private:
  void score_or_throw(const Observation& group, GroupScores* scores) const {
    const int64_t n_head = group.queries.shape[0];
    RowFold sums(Fold::sum, 0.0, n_head, group.queries.shape[1], group.n_past());
    for_each_row_block(group, RowOrder::oldest_first, 0,
                       [&](const RowBlock& block) { sums.add(block); });
    scores->n_scored = group.n_past();
    scores->raw.resize(n_head * group.n_past());
    for (int64_t h = 0; h < n_head; ++h) {
      std::ranges::copy(sums.row(h), scores->raw.begin() + h * group.n_past());
    }
    scores->smoothing.assign(n_head, pooling_);
  }

  Smoothing pooling_;
};

}  // namespace

PolicyResult make_snapkv(const PolicyOptions& options) {
  const std::string spatial = options.spatial.empty() ? "avgpool" : options.spatial;
  RESTKV_RETURN_IF_ERROR(check_window(options, false));
  RESTKV_RETURN_IF_ERROR(check_kernel(options));
  RESTKV_RETURN_IF_ERROR(check_choice("--kv-spatial", spatial, {"avgpool", "maxpool", "none"}));
  Smoothing pooling{.kernel = options.kernel};
  if (spatial == "avgpool") pooling.kind = Smoothing::Kind::average;
  if (spatial == "maxpool") pooling.kind = Smoothing::Kind::maximum;
  return {std::make_unique<SnapKv>(pooling)};
}

}  // namespace restkv
