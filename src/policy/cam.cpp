// CaM, cache merging (ICML 2024; docs/policies.md, cam), as rest-kv's CAMKVCluster has it:
// entries are chosen by the window's attention without pooling, and before that every value is
// spread over the W values behind it with a probability that grows with its attention. The
// original method merges at each eviction while decoding; here it happens whenever the policy
// runs, of every value once: what was spread before a cut is not spread again at the next, or
// values would grow without end. A KV head that the group shares merges by the mean of its query
// heads' attention.
#include <algorithm>
#include <cmath>

#include "core/random.h"
#include "policy/factories.h"
#include "policy/options.h"
#include "policy/window_pass.h"

namespace restkv {
namespace {

// Mean attention of every entry, [n_entry], over the window's queries of one head or all heads.
std::vector<float> mean_attention(const Observation& group, int32_t head_in_group) {
  const int64_t n_head = group.queries.shape[0];
  RowFold mean = folded_rows(group, Fold::mean, group.n_entry());
  if (head_in_group >= 0) {
    const std::span<float> row = mean.row(head_in_group);
    return {row.begin(), row.end()};
  }
  std::vector<double> sums(group.n_entry(), 0.0);
  for (int64_t h = 0; h < n_head; ++h) {
    for (int64_t j = 0; j < group.n_entry(); ++j)
      sums[j] += mean.row(h)[j];
  }
  for (double& sum : sums)
    sum /= static_cast<double>(n_head);
  return {sums.begin(), sums.end()};
}

// A probability; 0 / 0 is 0.
float clamped(float ratio) {
  return std::isnan(ratio) ? 0.0f : std::clamp(ratio, 0.0f, 1.0f);
}

class Cam : public EvictionPolicy {
 public:
  explicit Cam(const PolicyOptions& options)
      : threshold_(options.merge_threshold),
        start_ratio_(options.start_ratio),
        seed_(options.seed) {}

  PolicyTraits traits() const override {
    return {.name = "cam",
            .needs = Statistic::window_queries | Statistic::values,
            .vote = VotePoint::before_smoothing,
            .state_per_entry = 1};
  }

  // An entry's state is 1 once merge_values() has had it: every entry before the window.
  Status score(const Observation& group, GroupScores* scores) const override {
    Alone alone;
    RESTKV_RETURN_IF_ERROR(score_by_attention({&group, 1}, Fold::sum, {}, alone, {scores, 1}));
    const int64_t n_entry = group.n_entry(), n_past = n_entry - group.queries.shape[1];
    scores->entry_state.assign(scores->n_group() * n_entry, 0.0f);
    for (int64_t h = 0; h < scores->n_group(); ++h)
      std::fill_n(scores->entry_state.begin() + h * n_entry, n_past, 1.0f);
    return {};
  }

  // In order, so that what was merged into a value is merged on with it.
  std::optional<std::vector<float>> merge_values(const Observation& group,
                                                 int32_t head_in_group) const override {
    const int64_t n_entry = group.n_entry();
    const int64_t window = group.queries.shape[1];
    const int64_t d = group.values.n_col;
    const std::vector<float> mean = mean_attention(group, head_in_group);
    std::vector<float> values(n_entry * d);
    load_rows(group.values, 0, n_entry, values.data());
    SplitMix64 random = generator(group, head_in_group);
    const int64_t start = n_start(n_entry);
    const float start_top = start > 0 ? *std::max_element(mean.begin(), mean.begin() + start) : 0;
    for (int64_t i = start; i + window < n_entry; ++i) {
      if (was_merged(group, i)) continue;
      const auto first = mean.begin() + i;
      const float top = std::max(start_top, *std::max_element(first, first + window));
      if (merges(clamped(mean[i] / top), &random)) spread(i, window, d, values.data());
    }
    return values;
  }

 private:
  int64_t n_start(int64_t n_entry) const {
    const double start = std::ceil(start_ratio_ * static_cast<double>(n_entry));
    return std::min(n_entry, static_cast<int64_t>(start));
  }

  static bool was_merged(const Observation& group, int64_t i) {
    return !group.entry_state.empty() && *group.entry_state.row(0, i) != 0.0f;
  }

  SplitMix64 generator(const Observation& group, int32_t head_in_group) const {
    const int64_t head = int64_t{group.kv_head} * group.n_group + std::max(head_in_group, 0);
    return SplitMix64(derive_seed(derive_seed(seed_, group.context.layer), head));
  }

  bool merges(float probability, SplitMix64* random) const {
    if (threshold_ >= 0.0) return probability >= static_cast<float>(threshold_);
    return random->uniform() < probability;
  }

  static void spread(int64_t i, int64_t window, int64_t d, float* values) {
    const float* from = values + i * d;
    for (int64_t to = i + 1; to <= i + window; ++to) {
      for (int64_t c = 0; c < d; ++c)
        values[to * d + c] += from[c] / static_cast<float>(window);
    }
  }

  double threshold_, start_ratio_;
  uint64_t seed_;
};

}  // namespace

PolicyResult make_cam(const PolicyOptions& options) {
  RESTKV_RETURN_IF_ERROR(check_window(options, false));
  if (!(options.merge_threshold <= 1.0)) {
    return rejected_option("--kv-merge-threshold", options.merge_threshold,
                           "at most 1, or below 0 for a random draw");
  }
  if (!(options.start_ratio >= 0.0 && options.start_ratio <= 1.0)) {
    return rejected_option("--kv-start-ratio", options.start_ratio, "from 0 to 1");
  }
  return {std::make_unique<Cam>(options)};
}

}  // namespace restkv
