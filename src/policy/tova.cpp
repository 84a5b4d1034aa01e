// TOVA (arXiv 2401.06104; docs/policies.md, tova): the attention of the last query alone, averaged
// over all heads of the layer; one selection for all of them. Nothing is protected, the newest
// entry can go. Runs after every token.
#include "policy/factories.h"
#include "policy/window_pass.h"

namespace restkv {
namespace {

class Tova : public EvictionPolicy {
 public:
  PolicyTraits traits() const override {
    return {.name = "tova",
            .needs = Statistic::last_query,
            .protects = Protects::nothing,
            .vote = VotePoint::layer,
            .schedule = {Schedule::Kind::decode, 1}};
  }

  Status score(const Observation& group, GroupScores* scores) const override {
    Alone alone;
    return score_layer({&group, 1}, alone, {scores, 1});
  }

  Status score_layer(std::span<const Observation> groups, Workers& workers,
                     std::span<GroupScores> scores) const override {
    return score_by_attention(groups, Fold::last, {}, workers, scores);
  }
};

}  // namespace

PolicyResult make_tova(const PolicyOptions& options) {
  (void)options;
  return {std::make_unique<Tova>()};
}

}  // namespace restkv
