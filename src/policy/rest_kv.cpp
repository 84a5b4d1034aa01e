// ReST-KV (arXiv 2605.08840; docs/policies.md, rest-kv): what the deletion of one entry does to
// each head's output, a / (1 - a) * |W_h (o - v)|, smoothed over the window's queries (temporal)
// and over neighbouring entries (spatial). Modes "after" (fold the attention, then score) and
// "before" (score every query, then fold), and the ablations of section 2.5.
#include <algorithm>
#include <cmath>
#include <new>
#include <optional>
#include <string>

#include "core/check.h"
#include "kernels/dispatch.h"
#include "policy/drift.h"
#include "policy/factories.h"
#include "policy/options.h"
#include "policy/window_pass.h"

namespace restkv {
namespace {

enum class Indicator { reconstruction, attention, attention_value };

struct Settings {
  Indicator indicator = Indicator::reconstruction;
  Fold temporal = Fold::ema;
  Smoothing::Kind spatial = Smoothing::Kind::shifted_box;
  int64_t kernel = 21;
  double alpha = 0.3, beta = 2000.0, tau = 1.0;
  bool mode_before = false, use_projection = true, use_norm = false;

  bool adaptive() const { return spatial == Smoothing::Kind::shifted_box; }
};

// One run of the policy over one group.
class Scoring {
 public:
  Scoring(const Settings& settings, const Observation& group)
      : settings_(settings),
        group_(group),
        attention_(*kernels::best_kernels().window_attention),
        reconstruction_(*kernels::best_kernels().reconstruction),
        n_head_(group.queries.shape[0]),
        n_query_(group.queries.shape[1]),
        n_past_(group.n_past()),
        d_(group.keys.n_col),
        fold_(settings.temporal, settings.alpha, n_head_, n_query_, n_past_),
        scratch_(kernels::scratch_floats(d_)) {
    if (settings.adaptive()) {
      const int64_t n_top = group.context.budget - group.context.window;
      drift_.emplace(n_head_, n_query_, group.n_entry(), std::min(n_top, group.n_entry()));
    }
  }

  void run(GroupScores* scores) {
    // The last query alone needs no other rows, unless the drift is wanted.
    const bool all_rows = settings_.temporal != Fold::last || drift_.has_value();
    for_each_row_block(group_, fold_order(settings_.temporal), all_rows ? 0 : n_query_ - 1,
                       [&](const RowBlock& block) { add(block); });
    if (settings_.indicator == Indicator::attention_value) times_value_length();
    if (settings_.indicator == Indicator::reconstruction && !settings_.mode_before) score_after();
    scores->n_scored = n_past_;
    scores->raw.resize(n_head_ * n_past_);
    for (int64_t h = 0; h < n_head_; ++h) {
      std::ranges::copy(fold_.row(h), scores->raw.begin() + h * n_past_);
    }
    describe_smoothing(scores);
  }

 private:
  const float* factor(int64_t head) const {
    return settings_.use_projection ? group_.wo_factor.row(head, 0) : nullptr;
  }

  void add(const RowBlock& block) {
    if (drift_) drift_->add(block);  // before the weights become scores
    if (settings_.indicator == Indicator::reconstruction && settings_.mode_before) {
      score_before(block);
    }
    fold_.add(block);
  }

  // Mode "before": the block's attention weights become scores. o_t is the full output, over the
  // window's entries as well.
  void score_before(const RowBlock& block) {
    std::vector<float> outputs(block.n_row * d_);
    attention_.attention_output({block.weights, block.stride, block.n_row, group_.values,
                                 group_.n_entry(), outputs.data(), scratch_.data()});
    std::vector<float> divisors(block.n_row, 1.0f);
    for (int64_t t = 0; t < block.n_row; ++t) {
      float* output = outputs.data() + t * d_;
      if (settings_.use_projection) project_in_place(factor(block.head), output);
      if (settings_.use_norm) divisors[t] = length(output);
    }
    reconstruction_.score_rows({outputs.data(), factor(block.head), divisors.data(), block.n_row,
                                group_.values, n_past_, block.weights, block.stride,
                                scratch_.data()});
  }

  // Mode "after": m / (1 - m) * |R_h (o - v)|^tau with o = sum over the past of m v, which is not
  // renormalised.
  void score_after() {
    std::vector<float> outputs(n_head_ * d_);
    attention_.attention_output({fold_.data(), fold_.stride(), n_head_, group_.values, n_past_,
                                 outputs.data(), scratch_.data()});
    const std::vector<float> distances = distances_from(outputs, settings_.use_projection);
    const bool power = settings_.use_projection && settings_.tau != 1.0;
    for (int64_t h = 0; h < n_head_; ++h) {
      const std::span<float> row = fold_.row(h);
      const float* distance = distances.data() + h * fold_.stride();
      for (int64_t j = 0; j < n_past_; ++j) {
        const double length = power ? std::pow(distance[j], settings_.tau) : distance[j];
        row[j] = kernels::odds(row[j]) * static_cast<float>(length);
      }
    }
  }

  void times_value_length() {
    const std::vector<float> lengths = distances_from(std::vector<float>(n_head_ * d_), false);
    for (int64_t h = 0; h < n_head_; ++h) {
      const std::span<float> row = fold_.row(h);
      for (int64_t j = 0; j < n_past_; ++j)
        row[j] *= lengths[h * fold_.stride() + j];
    }
  }

  // [n_head][fold stride] lengths of R_h (o_h - v_j).
  std::vector<float> distances_from(const std::vector<float>& outputs, bool projected) {
    std::vector<float> distances(n_head_ * fold_.stride());
    reconstruction_.distance({outputs.data(), projected ? factor(0) : nullptr, n_head_,
                              group_.values, n_past_, distances.data(), fold_.stride(),
                              scratch_.data()});
    return distances;
  }

  // Row r of R_h starts at column r, so that x[r] is not needed any more once it is written.
  void project_in_place(const float* r_h, float* x) const {
    for (int64_t r = 0; r < d_; ++r) {
      double sum = 0.0;
      for (int64_t c = r; c < d_; ++c)
        sum += static_cast<double>(r_h[r * d_ + c]) * x[c];
      x[r] = static_cast<float>(sum);
    }
  }

  float length(const float* x) const {
    double sum = 0.0;
    for (int64_t c = 0; c < d_; ++c)
      sum += static_cast<double>(x[c]) * x[c];
    return static_cast<float>(std::sqrt(sum));
  }

  void describe_smoothing(GroupScores* scores) const {
    scores->smoothing.assign(n_head_, {settings_.spatial, settings_.kernel, 0});
    for (int64_t h = 0; drift_ && h < n_head_; ++h) {
      scores->smoothing[h] =
          adaptive_smoothing(drift_->quotient(h, settings_.beta), settings_.kernel);
      scores->drift.push_back(drift_->mean_shift(h));
    }
  }

  const Settings& settings_;
  const Observation& group_;
  const kernels::WindowAttentionKernels& attention_;
  const kernels::ReconstructionKernels& reconstruction_;
  int64_t n_head_, n_query_, n_past_, d_;
  RowFold fold_;
  std::optional<Drift> drift_;
  std::vector<float> scratch_;
};

class RestKv : public EvictionPolicy {
 public:
  explicit RestKv(const Settings& settings) : settings_(settings) {}

  PolicyTraits traits() const override {
    Statistic needs = Statistic::window_queries;
    if (settings_.indicator != Indicator::attention) needs = needs | Statistic::values;
    if (settings_.indicator == Indicator::reconstruction && settings_.use_projection) {
      needs = needs | Statistic::wo_factor;
    }
    return {.name = "rest-kv",
            .needs = needs,
            .vote = VotePoint::after_smoothing,
            .pyramid_spares_short = false};
  }

  Status score(const Observation& group, GroupScores* scores) const override {
    const LayerContext& context = group.context;
    RESTKV_RETURN_IF_ERROR(check_budget(context.window, context.budget, context.n_layer));
    if (settings_.adaptive() && group.queries.shape[1] % 2 != 0) {
      return Status::usage("--kv-window is " + std::to_string(group.queries.shape[1]) +
                           ", it must be even: adaptive smoothing compares its two halves");
    }
    try {
      *scores = {};
      Scoring(settings_, group).run(scores);
    } catch (const std::bad_alloc&) {
      return Status::capacity("no memory for the attention of the observation window");
    }
    return {};
  }

 private:
  Settings settings_;
};

Fold fold_of(const std::string& temporal) {
  if (temporal == "mean") return Fold::mean;
  if (temporal == "inv-ema") return Fold::inv_ema;
  return temporal == "none" ? Fold::last : Fold::ema;
}

Smoothing::Kind smoothing_of(const std::string& spatial) {
  if (spatial == "avgpool") return Smoothing::Kind::average;
  if (spatial == "maxpool") return Smoothing::Kind::maximum;
  return spatial == "none" ? Smoothing::Kind::none : Smoothing::Kind::shifted_box;
}

Settings settings_of(const PolicyOptions& options) {
  Settings settings{.temporal = fold_of(options.temporal),
                    .spatial = smoothing_of(options.spatial),
                    .kernel = options.kernel,
                    .alpha = options.alpha,
                    .beta = options.beta,
                    .tau = options.tau,
                    .mode_before = options.mode_before,
                    .use_projection = options.use_projection,
                    .use_norm = options.use_norm};
  if (options.indicator != "reconstruction") {
    // The attention indicators ignore both switches: a sum over the queries, average pooling.
    settings.indicator =
        options.indicator == "attn" ? Indicator::attention : Indicator::attention_value;
    settings.temporal = Fold::sum;
    settings.spatial = Smoothing::Kind::average;
  }
  return settings;
}

}  // namespace

PolicyResult make_rest_kv(const PolicyOptions& options) {
  if (!options.spatial.empty()) {
    RESTKV_RETURN_IF_ERROR(
        check_choice("--kv-spatial", options.spatial, {"adaptive", "avgpool", "maxpool", "none"}));
  }
  if (!options.temporal.empty()) {
    RESTKV_RETURN_IF_ERROR(
        check_choice("--kv-temporal", options.temporal, {"ema", "mean", "inv-ema", "none"}));
  }
  RESTKV_RETURN_IF_ERROR(
      check_choice("--kv-indicator", options.indicator, {"reconstruction", "attn", "attn-v"}));
  const Settings settings = settings_of(options);
  RESTKV_RETURN_IF_ERROR(check_window(options, settings.adaptive()));
  RESTKV_RETURN_IF_ERROR(check_kernel(options));
  RESTKV_RETURN_IF_ERROR(check_numbers(options));
  return {std::make_unique<RestKv>(settings)};
}

}  // namespace restkv
