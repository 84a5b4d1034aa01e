#include "cli/golden_select.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <numeric>

#include "cli/golden_stepwise.h"

namespace restkv::cli {
namespace {

std::vector<int32_t> all_positions(int64_t length) {
  std::vector<int32_t> all(static_cast<size_t>(length));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

int32_t n_selecting(const GoldenCase& c) {
  return c.per_kv_head() ? c.n_head_kv : c.n_head;
}

// rest-kv has no official form per KV head: the files give one beside the query heads' selection.
bool has_indices_kv(const GoldenCase& c) {
  return c.options.name == "rest-kv" && c.n_group() > 1 && !c.per_kv_head();
}

// Everything that the groups of a layer share while a prompt's entries are scored.
class PromptRun {
 public:
  PromptRun(const GoldenCase& c, const EvictionPolicy& policy)
      : c_(c), policy_(policy), traits_(policy.traits()), positions_(all_positions(c.length)) {
    if (!has(traits_.needs, Statistic::wo_factor)) return;
    const int64_t d = c.head_dim;
    factors_.resize(c.n_head * d * d);
    for (int64_t h = 0; h < c.n_head; ++h) {
      projection_factor(c.wo.data() + h * d, c.n_embd, d, c.n_head * d,
                        factors_.data() + h * d * d);
    }
  }

  Status run(GoldenSelection* out) {
    for (int32_t kv_head = 0; kv_head < c_.n_head_kv; ++kv_head)
      RESTKV_RETURN_IF_ERROR(score_group(kv_head, out));
    RESTKV_ASSIGN_OR_RETURN(const int64_t n_keep, layer_share());
    RESTKV_ASSIGN_OR_RETURN(out->indices, choose(out->scores, n_keep));
    if (!has_indices_kv(c_)) return {};
    RESTKV_ASSIGN_OR_RETURN(out->indices_kv, choose(scores_kv_, n_keep));
    return {};
  }

 private:
  using Rows = std::vector<std::vector<float>>;

  Observation observe(int32_t kv_head) const {
    const int64_t d = c_.head_dim;
    const int64_t n_group = c_.n_group();
    const int64_t rows = kv_head * c_.length * d;
    const int64_t first_head = kv_head * n_group;
    Observation group;
    group.context = {c_.layer, c_.n_layer, c_.budget, c_.window, false};
    group.attention_scale = 1.0f / std::sqrt(static_cast<float>(d));
    group.queries = {c_.q.data() + first_head * c_.n_query * d, {n_group, c_.n_query, d}};
    group.keys = {c_.k.data() + rows, ElementType::f32, c_.length, d, d};
    group.values = {c_.v.data() + rows, ElementType::f32, c_.length, d, d};
    group.positions = positions_;
    if (!factors_.empty()) {
      group.wo_factor = {factors_.data() + first_head * d * d, {n_group, d, d}};
    }
    group.n_group = static_cast<int32_t>(n_group);
    group.kv_head = kv_head;
    return group;
  }

  Status score_group(int32_t kv_head, GoldenSelection* out) {
    Observation group = observe(kv_head);
    std::vector<float> sums;
    const bool causal = has(traits_.needs, Statistic::column_sums);
    if (causal || has(traits_.needs, Statistic::column_sums_noncausal)) {
      RESTKV_ASSIGN_OR_RETURN(sums, column_sums({group.attention_scale, group.queries, group.keys,
                                                 causal ? c_.n_query : c_.window}));
      group.column_sums = {sums.data(), {c_.n_group(), c_.length}};
    }
    GroupScores scores;
    RESTKV_RETURN_IF_ERROR(policy_.score(group, &scores));
    append_smoothing(scores, out);
    append_rows(scores, c_.selection.granularity, &out->scores);
    if (has_indices_kv(c_)) append_rows(scores, Granularity::kv_head, &scores_kv_);
    merge(group, out);
    return {};
  }

  static void append_smoothing(const GroupScores& scores, GoldenSelection* out) {
    if (scores.drift.empty()) return;
    for (const Smoothing& smoothing : scores.smoothing) {
      out->kernel.push_back(smoothing.kernel);
      out->shift.push_back(smoothing.shift);
    }
    out->drift.insert(out->drift.end(), scores.drift.begin(), scores.drift.end());
  }

  void append_rows(const GroupScores& scores, Granularity granularity, Rows* rows) const {
    const auto voted = vote_and_smooth(scores, traits_.vote, granularity, c_.selection.vote);
    for (auto row = voted.begin(); row != voted.end(); row += scores.n_scored)
      rows->emplace_back(row, row + scores.n_scored);
  }

  void merge(const Observation& group, GoldenSelection* out) const {
    const int32_t n_cached = c_.per_kv_head() ? 1 : c_.n_group();
    for (int32_t h = 0; h < n_cached; ++h) {
      const auto merged = policy_.merge_values(group, c_.per_kv_head() ? -1 : h);
      if (merged) out->v_merged.insert(out->v_merged.end(), merged->begin(), merged->end());
    }
  }

  Result<int64_t> layer_share() const {
    const LayerSplit split{.budget = c_.budget,
                           .window = c_.window,
                           .n_seen = c_.length,
                           .n_layer = c_.n_layer,
                           .spares_short = traits_.pyramid_spares_short};
    RESTKV_ASSIGN_OR_RETURN(const auto shares, split_layers(c_.layer_budget, split));
    return shares[c_.layer];
  }

  Result<std::vector<std::vector<int32_t>>> choose(const Rows& rows, int64_t n_keep) const {
    if (!policy_.applies_to_layer(c_.layer)) return std::vector(rows.size(), positions_);
    std::vector<HeadScores> heads;
    for (const std::vector<float>& row : rows)
      heads.push_back({row, c_.length, {}});
    RESTKV_ASSIGN_OR_RETURN(const auto counts,
                            split_heads(c_.head_budget, heads, n_keep, c_.layer, false));
    std::vector<std::vector<int32_t>> kept;
    for (size_t h = 0; h < rows.size(); ++h)
      kept.push_back(select_entries(rows[h], counts[h], c_.length));
    return kept;
  }

  const GoldenCase& c_;
  const EvictionPolicy& policy_;
  const PolicyTraits traits_;
  const std::vector<int32_t> positions_;
  std::vector<float> factors_;  // [n_head][head_dim][head_dim]: R_h of every query head
  Rows scores_kv_;
};

Status select(const GoldenCase& c, GoldenSelection* out) {
  RESTKV_ASSIGN_OR_RETURN(const auto policy, make_policy(c.options));
  const bool position_only = policy->traits().position_only;
  if (c.stepwise) {
    return position_only ? step_by_positions(c, *policy, out) : step_by_scores(c, *policy, out);
  }
  if (c.length < c.budget) {
    out->indices.assign(n_selecting(c), all_positions(c.length));
    if (has_indices_kv(c)) out->indices_kv.assign(c.n_head_kv, all_positions(c.length));
    return {};
  }
  if (!position_only) return PromptRun(c, *policy).run(out);
  RESTKV_RETURN_IF_ERROR(step_by_positions(c, *policy, out));
  out->indices.resize(n_selecting(c), out->indices.front());
  return {};
}

}  // namespace

Result<GoldenSelection> run_golden_case(const GoldenCase& c) {
  GoldenSelection selection;
  try {
    RESTKV_RETURN_IF_ERROR(select(c, &selection));
  } catch (const std::bad_alloc&) {
    return Status::capacity("no memory to select from " + std::to_string(c.length) + " entries");
  }
  return selection;
}

}  // namespace restkv::cli
