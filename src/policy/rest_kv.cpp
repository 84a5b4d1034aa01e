// ReST-KV (arXiv 2605.08840; docs/policies.md, rest-kv): what the deletion of one entry does to
// each head's output, a / (1 - a) * |W_h (o - v)|, smoothed over the window's queries (temporal)
// and over neighbouring entries (spatial). Modes "after" (fold the attention, then score) and
// "before" (score every query, then fold), and the ablations of section 2.5.
#include <string>

#include "policy/factories.h"
#include "policy/options.h"
#include "policy/rest_kv_scoring.h"

namespace restkv {
namespace {

class RestKv : public EvictionPolicy {
 public:
  explicit RestKv(const RestKvSettings& settings) : settings_(settings) {}

  PolicyTraits traits() const override {
    Statistic needs = Statistic::window_queries;
    if (settings_.indicator != RestKvIndicator::attention) needs = needs | Statistic::values;
    if (settings_.indicator == RestKvIndicator::reconstruction && settings_.use_projection) {
      needs = needs | Statistic::wo_factor;
    }
    return {.name = "rest-kv",
            .needs = needs,
            .vote = VotePoint::after_smoothing,
            .pools = settings_.spatial != Smoothing::Kind::none,
            .scores_by_budget = settings_.adaptive(),
            .pyramid_spares_short = false};
  }

  Status score(const Observation& group, GroupScores* scores) const override {
    Alone alone;
    return score_layer({&group, 1}, alone, {scores, 1});
  }

  Status score_layer(std::span<const Observation> groups, Workers& workers,
                     std::span<GroupScores> scores) const override {
    const LayerContext& context = groups[0].context;
    RESTKV_RETURN_IF_ERROR(check_budget(context.window, context.budget, context.n_layer));
    const int64_t n_query = groups[0].queries.shape[1];
    if (settings_.adaptive() && n_query % 2 != 0) {
      return Status::usage("--kv-window is " + std::to_string(n_query) +
                           ", it must be even: adaptive smoothing compares its two halves");
    }
    return score_rest_kv(settings_, groups, workers, scores);
  }

 private:
  RestKvSettings settings_;
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

RestKvSettings settings_of(const PolicyOptions& options) {
  RestKvSettings settings{.temporal = fold_of(options.temporal),
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
        options.indicator == "attn" ? RestKvIndicator::attention : RestKvIndicator::attention_value;
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
  const RestKvSettings settings = settings_of(options);
  RESTKV_RETURN_IF_ERROR(check_window(options, settings.adaptive()));
  RESTKV_RETURN_IF_ERROR(check_kernel(options));
  RESTKV_RETURN_IF_ERROR(check_numbers(options));
  return {std::make_unique<RestKv>(settings)};
}

}  // namespace restkv
