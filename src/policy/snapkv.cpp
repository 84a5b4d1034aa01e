// SnapKV (arXiv 2404.14469; docs/policies.md, snapkv): attention of the observation window summed
// over its queries, pooled over the neighbours. The group votes before pooling. The papers' kernel
// is 5; here it is PolicyOptions::kernel. The mean over the queries, AdaKV's copy, ranks alike and
// has its own scale.
#include "policy/factories.h"
#include "policy/options.h"
#include "policy/window_pass.h"

namespace restkv {
namespace {

class SnapKv : public EvictionPolicy {
 public:
  SnapKv(Fold temporal, Smoothing pooling) : temporal_(temporal), pooling_(pooling) {}

  PolicyTraits traits() const override {
    return {.name = "snapkv",
            .needs = Statistic::window_queries,
            .vote = VotePoint::before_smoothing,
            .pools = pooling_.kind != Smoothing::Kind::none};
  }

  Status score(const Observation& group, GroupScores* scores) const override {
    Alone alone;
    return score_layer({&group, 1}, alone, {scores, 1});
  }

  Status score_layer(std::span<const Observation> groups, Workers& workers,
                     std::span<GroupScores> scores) const override {
    return score_by_attention(groups, temporal_, pooling_, workers, scores);
  }

 private:
  Fold temporal_;
  Smoothing pooling_;
};

}  // namespace

PolicyResult make_snapkv(const PolicyOptions& options) {
  const std::string spatial = options.spatial.empty() ? "avgpool" : options.spatial;
  RESTKV_RETURN_IF_ERROR(check_window(options, false));
  RESTKV_RETURN_IF_ERROR(check_kernel(options));
  RESTKV_RETURN_IF_ERROR(check_choice("--kv-spatial", spatial, {"avgpool", "maxpool", "none"}));
  if (!options.temporal.empty()) {
    RESTKV_RETURN_IF_ERROR(check_choice("--kv-temporal", options.temporal, {"sum", "mean"}));
  }
  Smoothing pooling{.kernel = options.kernel};
  if (spatial == "avgpool") pooling.kind = Smoothing::Kind::average;
  if (spatial == "maxpool") pooling.kind = Smoothing::Kind::maximum;
  const Fold temporal = options.temporal == "mean" ? Fold::mean : Fold::sum;
  return {std::make_unique<SnapKv>(temporal, pooling)};
}

}  // namespace restkv
