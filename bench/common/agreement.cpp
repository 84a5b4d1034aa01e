#include "bench/common/agreement.h"

#include <algorithm>
#include <cmath>

#include "core/log_sum_exp.h"
#include "restkv/budget.h"

namespace restkv::bench {

Agreement compare_logits(std::span<const float> theirs, std::span<const float> ours) {
  const double theirs_sum = log_sum_exp(theirs), ours_sum = log_sum_exp(ours);
  Agreement result;
  for (size_t i = 0; i < theirs.size(); ++i) {
    const double p = theirs[i] - theirs_sum;
    result.kl += std::exp(p) * (p - (ours[i] - ours_sum));
  }
  const auto top = [](std::span<const float> x) {
    return std::max_element(x.begin(), x.end()) - x.begin();
  };
  result.same_top = top(theirs) == top(ours);
  return result;
}

Agreement worse(const Agreement& a, const Agreement& b) {
  return {a.same_top && b.same_top, std::max(a.kl, b.kl)};
}

Result<int64_t> planned_entries(const CachePlan& plan, const HParams& hparams, int64_t n) {
  const int64_t n_head = plan.n_cached_head(hparams);
  if (!plan.evicts(n)) return n * n_head * hparams.n_layer;
  const LayerSplit split{.budget = plan.config.budget,
                         .window = plan.protected_window(),
                         .n_seen = n,
                         .n_layer = static_cast<int32_t>(hparams.n_layer),
                         .spares_short = plan.traits.pyramid_spares_short,
                         .strict = plan.config.strict};
  RESTKV_ASSIGN_OR_RETURN(const std::vector<int64_t> shares,
                          split_layers(plan.layer_budget, split));
  int64_t total = 0;
  for (int32_t l = 0; l < split.n_layer; ++l) {
    const bool untouched = !plan.config.strict && !plan.policy->applies_to_layer(l);
    total += n_head * (untouched ? n : std::min(n, shares[l] + split.window));
  }
  return total;
}

bool kept_as_planned(const CachePlan& plan, int64_t entries, int64_t planned) {
  const bool exact =
      plan.head_budget.kind == HeadBudget::Kind::uniform && plan.traits.name != "lacache";
  const double tolerance = exact ? 0.0 : 0.05 * static_cast<double>(planned);
  return std::abs(static_cast<double>(entries - planned)) <= tolerance;
}

}  // namespace restkv::bench
