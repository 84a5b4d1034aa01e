// H2O (arXiv 2306.14048; docs/policies.md, h2o): the attention that an entry has received from all
// queries read so far, running sums that live with the entries. No pooling; the group votes on the
// sums. Two names: `h2o` is causal; `h2o-noncausal` is the baseline of rest-kv's repository, where
// queries before the window attend to later keys as well. Run after every token (preset
// h2o-decode) it is the streaming form of the method's own repository.
#include <algorithm>
#include <new>

#include "core/check.h"
#include "policy/factories.h"
#include "policy/options.h"

namespace restkv {
namespace {

class H2o : public EvictionPolicy {
 public:
  explicit H2o(bool causal) : causal_(causal) {}

  PolicyTraits traits() const override {
    return {.name = causal_ ? "h2o" : "h2o-noncausal",
            .needs = causal_ ? Statistic::column_sums : Statistic::column_sums_noncausal,
            .vote = VotePoint::before_smoothing,
            .state_per_entry = 1};
  }

  Status score(const Observation& group, GroupScores* scores) const override {
    try {
      *scores = {};
      add_up(group, scores);
    } catch (const std::bad_alloc&) {
      return Status::capacity("no memory for the running sums of the attention");
    }
    return {};
  }

 private:
  static void add_up(const Observation& group, GroupScores* scores) {
    const int64_t n_head = group.column_sums.shape[0];
    const int64_t n_entry = group.n_entry();
    RESTKV_CHECK(group.column_sums.shape[1] == n_entry);
    scores->n_scored = group.n_past();
    scores->smoothing.resize(n_head);
    const float* sums = group.column_sums.data;
    scores->entry_state.assign(sums, sums + n_head * n_entry);
    if (!group.entry_state.empty()) {
      RESTKV_CHECK(group.entry_state.size() == n_head * n_entry);
      for (int64_t i = 0; i < n_head * n_entry; ++i)
        scores->entry_state[i] += group.entry_state.data[i];
    }
    scores->raw.reserve(n_head * scores->n_scored);
    for (int64_t h = 0; h < n_head; ++h) {
      const auto first = scores->entry_state.begin() + h * n_entry;
      scores->raw.insert(scores->raw.end(), first, first + scores->n_scored);
    }
  }

  bool causal_;
};

PolicyResult make(const PolicyOptions& options, bool causal) {
  RESTKV_RETURN_IF_ERROR(check_window(options, false));
  return {std::make_unique<H2o>(causal)};
}

}  // namespace

PolicyResult make_h2o(const PolicyOptions& options) {
  return make(options, true);
}

PolicyResult make_h2o_noncausal(const PolicyOptions& options) {
  return make(options, false);
}

}  // namespace restkv
