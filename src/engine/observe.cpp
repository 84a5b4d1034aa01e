#include "engine/observe.h"

#include <algorithm>

#include "core/parallel.h"
#include "kernels/dispatch.h"

namespace restkv {
namespace {

constexpr int64_t kSkipped = 4;        // tokens whose queries say nothing of later ones
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
                  int n_threads, QueryMoments* moments) {
  const int64_t d = hp.head_dim, n_new = raw.n_since();
  const QueryRows rows = raw.rows();
  const int64_t first = std::max(n_seen - n_new, kSkipped);
  if (moments->sum.empty()) {
    moments->sum.assign(hp.n_head * d, 0.0);
    moments->outer.assign(hp.n_head * d * d, 0.0);
  }
  if (first >= n_seen) return;
  parallel_for(n_threads, hp.n_head, [&](int64_t h) {
    add_queries(rows.row(h, rows.n_query - (n_seen - first)), n_seen - first, d, query_scale,
                moments->sum.data() + h * d, moments->outer.data() + h * d * d);
  });
  moments->n += n_seen - first;
}

Result<RotatedMoments> rotate_moments(const Model& model, Compute& compute,
                                      const QueryMoments& moments, int64_t next) {
  const HParams& hp = model.hparams();
  const int64_t d = hp.head_dim;
  RESTKV_ASSIGN_OR_RETURN(const RopeTable table,
                          RopeTable::range(model, compute, next, kNextPositions));
  const std::vector<float> turn = table.mean();
  const double n = static_cast<double>(std::max<int64_t>(moments.n, 1));
  RotatedMoments out;
  out.mean.resize(hp.n_head * d);
  out.covariance.resize(hp.n_head * d * d);
  parallel_for(compute.n_threads(), hp.n_head, [&](int64_t h) {
    const double* sum = moments.sum.data() + h * d;
    const double* outer = moments.outer.data() + h * d * d;
    float* mean = out.mean.data() + h * d;
    float* covariance = out.covariance.data() + h * d * d;
    for (int64_t i = 0; i < d; ++i) {
      mean[i] = static_cast<float>(sum[i] / n);
      for (int64_t j = 0; j < d; ++j) {
        covariance[i * d + j] =
            static_cast<float>(outer[i * d + j] / n - sum[i] / n * (sum[j] / n));
      }
    }
    table.turn(turn.data(), mean);
    // R C R^T with a symmetric C: turn every row, transpose, turn every row again.
    for (int pass = 0; pass < 2; ++pass) {
      for (int64_t i = 0; i < d; ++i)
        table.turn(turn.data(), covariance + i * d);
      for (int64_t i = 0; i < d; ++i) {
        for (int64_t j = 0; j < i; ++j)
          std::swap(covariance[i * d + j], covariance[j * d + i]);
      }
    }
  });
  return out;
}

std::vector<float> rotate_queries(const QueryRows& raw, int64_t n_row, int64_t n_head,
                                  std::span<const int64_t> n_entry, const RopeTable& table,
                                  float query_scale) {
  const int64_t d = raw.head_dim;
  const int64_t n_group = n_head / static_cast<int64_t>(n_entry.size());
  std::vector<float> rotated(n_head * n_row * d);
  for (int64_t h = 0; h < n_head; ++h) {
    for (int64_t i = 0; i < n_row; ++i) {
      float* row = rotated.data() + (h * n_row + i) * d;
      std::copy_n(raw.row(h, raw.n_query - n_row + i), d, row);
      table.rotate(n_entry[h / n_group] - n_row + i, row);
      for (int64_t c = 0; query_scale != 1.0f && c < d; ++c)
        row[c] *= query_scale;
    }
  }
  return rotated;
}

}  // namespace restkv
