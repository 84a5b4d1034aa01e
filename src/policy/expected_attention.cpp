// ExpectedAttention (NVIDIA/kvpress; docs/policies.md, expected-attention): the attention that
// future queries will pay to an entry if they are normal with the mean and covariance of the
// queries so far,
//   softmax_j(mean . k_j scale + k_j' covariance k_j scale^2 / 2) |v_j|,
// averaged over the group. The first entries, the sinks, take no part and always stay; nothing else
// is protected. Scores of the sinks are the largest of the others, as in kvpress.
#include <algorithm>
#include <cmath>
#include <new>
#include <string>

#include "kernels/dispatch.h"
#include "policy/covariance_factor.h"
#include "policy/factories.h"
#include "policy/options.h"

namespace restkv {
namespace {

constexpr int64_t kDefaultSinks = 4;

double dot(const float* a, const float* b, int64_t n) {
  double sum = 0.0;
  for (int64_t i = 0; i < n; ++i)
    sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

void softmax(std::span<double> row) {
  const double largest = *std::ranges::max_element(row);
  double total = 0.0;
  for (double& x : row) {
    x = std::exp(x - largest);
    total += x;
  }
  for (double& x : row)
    x /= total;
}

// One run of the policy over one group.
class Scoring {
 public:
  Scoring(const Observation& group, int64_t n_sink)
      : group_(group), n_sink_(std::min(n_sink, group.n_entry())), d_(group.keys.n_col), row_(d_) {}

  void run(GroupScores* scores) {
    const int64_t n = group_.n_entry();
    scores->n_scored = n;
    scores->smoothing.resize(group_.n_group);
    scores->raw.resize(group_.n_group * n);
    if (n_sink_ == n) return;
    const std::vector<double> lengths = value_lengths();
    for (int64_t h = 0; h < group_.n_group; ++h) {
      std::vector<double> expected = logits(h);
      softmax(expected);
      float* out = scores->raw.data() + h * n;
      for (int64_t j = n_sink_; j < n; ++j)
        out[j] = static_cast<float>(expected[j - n_sink_] * lengths[j - n_sink_]);
      std::fill_n(out, n_sink_, *std::max_element(out + n_sink_, out + n));
    }
  }

 private:
  // [n_entry - n_sink], like what follows.
  std::vector<double> value_lengths() {
    std::vector<double> lengths;
    lengths.reserve(group_.n_entry() - n_sink_);
    for (int64_t j = n_sink_; j < group_.n_entry(); ++j) {
      load_rows(group_.values, j, 1, row_.data());
      lengths.push_back(std::sqrt(dot(row_.data(), row_.data(), d_)));
    }
    return lengths;
  }

  // k' C k = |R k|^2: lengths of all keys at once, by the kernel that measures |R (o - v)|.
  std::vector<float> quadratic_roots(int64_t head) {
    const int64_t n = group_.n_entry();
    std::vector<float> factor(d_ * d_), lengths(kernels::round_up(n, kernels::kRowAlign));
    covariance_factor(group_.query_covariance.row(head, 0), d_, factor.data());
    const std::vector<float> origin(d_, 0.0f);
    std::vector<float> scratch(kernels::scratch_floats(d_));
    kernels::best_kernels().reconstruction->distance(
        {origin.data(), factor.data(), 1, group_.keys, n, lengths.data(),
         static_cast<int64_t>(lengths.size()), scratch.data()});
    return lengths;
  }

  std::vector<double> logits(int64_t head) {
    const double scale = group_.attention_scale;
    const std::vector<float> roots = quadratic_roots(head);
    std::vector<double> out;
    out.reserve(group_.n_entry() - n_sink_);
    for (int64_t j = n_sink_; j < group_.n_entry(); ++j) {
      load_rows(group_.keys, j, 1, row_.data());
      const double mean = dot(group_.query_mean.row(head), row_.data(), d_);
      const double root = roots[j] * scale;
      out.push_back(mean * scale + root * root / 2.0);
    }
    return out;
  }

  const Observation& group_;
  int64_t n_sink_, d_;
  std::vector<float> row_;  // [head_dim]
};

class ExpectedAttention : public EvictionPolicy {
 public:
  explicit ExpectedAttention(int64_t n_sink) : n_sink_(n_sink) {}

  PolicyTraits traits() const override {
    return {.name = "expected-attention",
            .needs = Statistic::query_moments | Statistic::values,
            .protects = Protects::nothing,
            .vote = VotePoint::after_smoothing,
            .n_sink = n_sink_};
  }

  Status check_budget(int64_t window, int64_t budget, int32_t n_layer) const override {
    (void)window, (void)n_layer;
    if (budget > n_sink_) return {};
    return Status::capacity("--kv-budget is " + std::to_string(budget) + ", it must be above the " +
                            std::to_string(n_sink_) + " sinks");
  }

  Status score(const Observation& group, GroupScores* scores) const override {
    try {
      *scores = {};
      Scoring(group, n_sink_).run(scores);
    } catch (const std::bad_alloc&) {
      return Status::capacity("no memory for the expected attention");
    }
    return {};
  }

 private:
  int64_t n_sink_;
};

}  // namespace

PolicyResult make_expected_attention(const PolicyOptions& options) {
  RESTKV_RETURN_IF_ERROR(check_sinks(options));
  const int64_t n_sink = options.n_sink == -1 ? kDefaultSinks : options.n_sink;
  return {std::make_unique<ExpectedAttention>(n_sink)};
}

}  // namespace restkv
