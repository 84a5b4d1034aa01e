#include "engine/observe.h"

#include <algorithm>

#include "core/check.h"
#include "engine/factors.h"
#include "engine/tile_column_sums.h"
#include "kernels/dispatch.h"

namespace restkv {
namespace {

constexpr int64_t kSkipped = 4;  // tokens whose queries say nothing of later ones
constexpr int64_t kNextPositions = 512;

bool looks_at_queries(const CachePlan& plan) {
  return plan.n_last_query() > 0 || plan.sums_columns();
}

// rows [n][d], times scale, added to sum [d] and outer [d][d].
void add_queries(const float* rows, int64_t n, int64_t d, double scale, double* sum,
                 double* outer) {
  const int64_t stride = kernels::round_up(d, kernels::kRowAlign);
  std::vector<double> gram(d * stride), scratch(kernels::kRowAlign * stride);
  kernels::best_kernels().reconstruction->gram(rows, n, d, d, gram.data(), stride, scratch.data());
  for (int64_t t = 0; t < n; ++t) {
    for (int64_t i = 0; i < d; ++i)
      sum[i] += scale * rows[t * d + i];
  }
  for (int64_t i = 0; i < d; ++i) {
    for (int64_t j = 0; j < d; ++j)
      outer[i * d + j] += scale * scale * gram[std::min(i, j) * stride + std::max(i, j)];
  }
}

// R C R^T of a symmetric C [d][d]: turn every row, transpose, turn every row again.
void turn_both_sides(const RopeTable& table, const std::vector<float>& turn, int64_t d, float* c) {
  for (int pass = 0; pass < 2; ++pass) {
    for (int64_t i = 0; i < d; ++i)
      table.turn(turn.data(), c + i * d);
    for (int64_t i = 0; i < d; ++i) {
      for (int64_t j = 0; j < i; ++j)
        std::swap(c[i * d + j], c[j * d + i]);
    }
  }
}

}  // namespace

QueryLog rotated_log(const CachePlan& plan, const HParams& hp, bool fresh) {
  if (!looks_at_queries(plan) || (plan.rotates_when_read() && !fresh)) return {};
  return QueryLog(hp.n_head, hp.head_dim, plan.n_last_query(), plan.sums_columns());
}

QueryLog raw_log(const CachePlan& plan, const HParams& hp, bool fresh) {
  const bool moments = plan.needs(Statistic::query_moments);
  const bool rotates = plan.rotates_when_read() && !fresh && looks_at_queries(plan);
  if (!moments && !rotates) return {};
  return QueryLog(hp.n_head, hp.head_dim, rotates ? plan.n_last_query() : 0,
                  moments || plan.sums_columns());
}

void fold_moments(const QueryLog& raw, int64_t n_seen, float query_scale, const HParams& hp,
                  Workers& workers, QueryMoments* moments) {
  const int64_t d = hp.head_dim, n_new = raw.n_since();
  const QueryRows rows = raw.rows();
  const int64_t first = std::max(n_seen - n_new, kSkipped);
  RESTKV_CHECK(first >= n_seen || rows.n_query >= n_seen - first);
  if (moments->sum.empty()) {
    moments->sum.assign(hp.n_head * d, 0.0);
    moments->outer.assign(hp.n_head * d * d, 0.0);
  }
  if (first >= n_seen) return;
  workers.for_each(hp.n_head, [&](int64_t h, int) {
    add_queries(rows.row(h, rows.n_query - (n_seen - first)), n_seen - first, d, query_scale,
                moments->sum.data() + h * d, moments->outer.data() + h * d * d);
  });
  moments->n += n_seen - first;
}

Result<RotatedMoments> rotate_moments(const Model& model, Compute& compute,
                                      const QueryMoments& moments, std::span<const int64_t> next,
                                      MeanRotation* known) {
  const HParams& hp = model.hparams();
  const int64_t d = hp.head_dim;
  const int64_t n_group = hp.n_head / static_cast<int64_t>(next.size());
  const double n = static_cast<double>(std::max<int64_t>(moments.n, 1));
  RotatedMoments out;
  out.mean.resize(hp.n_head * d);
  out.covariance.resize(hp.n_head * d * d);
  for (int64_t h = 0; h < hp.n_head; ++h) {
    const int64_t s = h / n_group;
    if (next[s] != known->first) {
      RESTKV_ASSIGN_OR_RETURN(known->table,
                              RopeTable::range(model, compute, next[s], kNextPositions));
      known->mean = known->table.mean();
      known->first = next[s];
    }
    const double* sum = moments.sum.data() + h * d;
    const double* outer = moments.outer.data() + h * d * d;
    float* mean = out.mean.data() + h * d;
    float* covariance = out.covariance.data() + h * d * d;
    for (int64_t i = 0; i < d; ++i) {
      mean[i] = static_cast<float>(sum[i] / n);
      for (int64_t j = 0; j < d; ++j)
        covariance[i * d + j] =
            static_cast<float>(outer[i * d + j] / n - sum[i] / n * (sum[j] / n));
    }
    known->table.turn(known->mean.data(), mean);
    turn_both_sides(known->table, known->mean, d, covariance);
  }
  return out;
}

Status LayerStatistics::fill(const Model& model, Compute& compute, const Source& source,
                             Sequence* sequence, LayerView* view) {
  const HParams& hp = model.hparams();
  const CachePlan& plan = *sequence->plan;
  LayerMemory& memory = sequence->memory[source.layer];
  view->layer = source.layer;
  view->n_layer = static_cast<int32_t>(hp.n_layer);
  view->n_head = static_cast<int32_t>(hp.n_head);
  view->head_dim = static_cast<int32_t>(hp.head_dim);
  view->n_seen = source.n_seen;
  view->attention_scale = model.attention_scale().logits;
  view->tiles = tiles_sum_columns(compute.kernels(), source.log->n_since());
  fill_queries(model, source, *sequence, view);
  if (plan.needs(Statistic::query_moments)) {
    std::vector<int64_t> next;
    for (const RowsView& keys : view->keys)
      next.push_back(source.by_index ? keys.n_row : source.n_seen);
    RESTKV_ASSIGN_OR_RETURN(
        moments_, rotate_moments(model, compute, *source.moments, next, &sequence->rotation));
    view->query_mean = {moments_.mean.data(), {hp.n_head, hp.head_dim}};
    view->query_covariance = {moments_.covariance.data(), {hp.n_head, hp.head_dim, hp.head_dim}};
  }
  if (plan.needs(Statistic::wo_factor)) {
    factors_ = projection_factors(model, source.layer, compute.workers());
    view->wo_factor = {factors_->data(), {hp.n_head, hp.head_dim, hp.head_dim}};
  }
  view->entry_state = memory.entry_state;
  if (!memory.policy) memory.policy = plan.policy->make_layer_state();
  view->state = memory.policy.get();
  return {};
}

void LayerStatistics::fill_queries(const Model& model, const Source& source,
                                   const Sequence& sequence, LayerView* view) {
  const QueryLog& log = *source.log;
  view->n_since = log.n_since();
  view->queries = log.rows();
  if (!source.by_index || !log.keeps_any()) return;
  const CachePlan& plan = *sequence.plan;
  const int64_t n_row = std::max(plan.n_last_query(), plan.sums_columns() ? log.n_since() : 0);
  const int64_t d = view->head_dim, n_group = view->n_group();
  const float scale = model.attention_scale().queries;
  turned_.resize(view->n_head * n_row * d);
  for (int64_t h = 0; h < view->n_head; ++h) {
    // The newest query stands at the last entry of its store head.
    const int64_t first = view->keys[h / n_group].n_row - n_row;
    for (int64_t i = 0; i < n_row; ++i) {
      float* row = turned_.data() + (h * n_row + i) * d;
      std::copy_n(view->queries.row(h, view->queries.n_query - n_row + i), d, row);
      sequence.rope.rotate(first + i, row);
      for (int64_t c = 0; scale != 1.0f && c < d; ++c)
        row[c] *= scale;
    }
  }
  view->queries = {turned_.data(), n_row, d, n_row * d};
}

}  // namespace restkv
