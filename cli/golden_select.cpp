#include "cli/golden_select.h"

#include <cmath>
#include <new>
#include <numeric>

namespace restkv::cli {
namespace {

std::vector<int32_t> all_positions(int64_t length) {
  std::vector<int32_t> all(static_cast<size_t>(length));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

int32_t n_selecting(const GoldenCase& c) {
  return c.selection.granularity == Granularity::kv_head ? c.n_head_kv : c.n_head;
}

// rest-kv has no official form per KV head: the files give one beside the query heads' selection.
bool has_indices_kv(const GoldenCase& c) {
  return c.options.name == "rest-kv" && c.n_group() > 1 &&
         c.selection.granularity == Granularity::query_head;
}

// [n_head][head_dim][head_dim]: R_h of every query head.
std::vector<float> wo_factors(const GoldenCase& c) {
  std::vector<float> factors(c.n_head * c.head_dim * c.head_dim);
  for (int64_t h = 0; h < c.n_head; ++h) {
    projection_factor(c.wo.data() + h * c.head_dim, c.n_embd, c.head_dim, c.n_head * c.head_dim,
                      factors.data() + h * c.head_dim * c.head_dim);
  }
  return factors;
}

Observation observe(const GoldenCase& c, const std::vector<float>& factors,
                    std::span<const int32_t> positions, int64_t kv_head) {
  const int64_t d = c.head_dim;
  const int64_t n_group = c.n_group();
  const int64_t rows = kv_head * c.length * d;
  const int64_t first_head = kv_head * n_group;
  Observation group;
  group.context = {c.layer, c.n_layer, c.budget, c.window};
  group.attention_scale = 1.0f / std::sqrt(static_cast<float>(d));
  group.queries = {c.q.data() + first_head * c.window * d, {n_group, c.window, d}};
  group.keys = {c.k.data() + rows, ElementType::f32, c.length, d, d};
  group.values = {c.v.data() + rows, ElementType::f32, c.length, d, d};
  group.positions = positions;
  group.wo_factor = {factors.data() + first_head * d * d, {n_group, d, d}};
  group.n_group = static_cast<int32_t>(n_group);
  return group;
}

void append_smoothing(const GroupScores& scores, GoldenSelection* out) {
  if (scores.drift.empty()) return;
  for (const Smoothing& smoothing : scores.smoothing) {
    out->kernel.push_back(smoothing.kernel);
    out->shift.push_back(smoothing.shift);
  }
  out->drift.insert(out->drift.end(), scores.drift.begin(), scores.drift.end());
}

Status select_by_scores(const GoldenCase& c, const EvictionPolicy& policy, GoldenSelection* out) {
  const std::vector<int32_t> positions = all_positions(c.length);
  const std::vector<float> factors = wo_factors(c);
  const int64_t n_past = c.length - c.window;
  int64_t n_keep = c.budget - c.window;
  if (c.use_pyramid) {
    n_keep = pyramid_past_budget(n_keep, n_past, c.layer, c.n_layer, c.pyramid_beta);
  }
  for (int64_t kv_head = 0; kv_head < c.n_head_kv; ++kv_head) {
    GroupScores scores;
    RESTKV_RETURN_IF_ERROR(policy.score(observe(c, factors, positions, kv_head), &scores));
    append_smoothing(scores, out);
    const VotePoint point = policy.traits().vote;
    const auto rows = vote_and_smooth(scores, point, c.selection.granularity, c.selection.vote);
    for (size_t first = 0; first < rows.size(); first += n_past) {
      out->scores.emplace_back(rows.begin() + first, rows.begin() + first + n_past);
      out->indices.push_back(select_entries(out->scores.back(), n_keep, c.length));
    }
    if (!has_indices_kv(c)) continue;
    const auto voted = vote_and_smooth(scores, point, Granularity::kv_head, c.selection.vote);
    out->indices_kv.push_back(select_entries(voted, n_keep, c.length));
  }
  return {};
}

Status select(const GoldenCase& c, GoldenSelection* out) {
  RESTKV_ASSIGN_OR_RETURN(const auto policy, make_policy(c.options));
  if (c.length < c.budget) {
    out->indices.assign(n_selecting(c), all_positions(c.length));
    if (has_indices_kv(c)) out->indices_kv.assign(c.n_head_kv, all_positions(c.length));
    return {};
  }
  if (!policy->traits().position_only) return select_by_scores(c, *policy, out);
  const LayerContext context{c.layer, c.n_layer, c.budget, c.window};
  const auto state = policy->make_layer_state();
  RESTKV_ASSIGN_OR_RETURN(const auto kept,
                          policy->select_positions(context, c.length, state.get()));
  out->indices.assign(n_selecting(c), kept);
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
