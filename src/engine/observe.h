// Statistics of a layer's queries, from what its logs hold.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sequence.h"

namespace restkv {

// The logs that a plan's later evictions need of a layer. `fresh`: keys of a first prompt stand
// where their tokens stand, whatever the plan does with them afterwards.
QueryLog rotated_log(const CachePlan& plan, const HParams& hparams, bool fresh);
QueryLog raw_log(const CachePlan& plan, const HParams& hparams, bool fresh);

// Adds the queries since the log's last mark(), the newest of them token n_seen - 1; those of the
// first 4 tokens are left out (policies.md section 13).
void fold_moments(const QueryLog& raw, int64_t n_seen, float query_scale, const HParams& hparams,
                  int n_threads, QueryMoments* moments);

struct RotatedMoments {
  std::vector<float> mean;        // [n_head][head_dim]
  std::vector<float> covariance;  // [n_head][head_dim][head_dim]
};
// Mean and covariance turned by the mean rotation of the 512 positions from `next` on.
// Errors: as Compute::run.
Result<RotatedMoments> rotate_moments(const Model& model, Compute& compute,
                                      const QueryMoments& moments, int64_t next);

// The last n_row queries of every head, turned to where their keys stand: the newest at
// n_entry[s] - 1 of its store head. [n_head][n_row][head_dim].
// REQUIRES: a table of at least max(n_entry) positions, raw.n_query >= n_row.
std::vector<float> rotate_queries(const QueryRows& raw, int64_t n_row, int64_t n_head,
                                  std::span<const int64_t> n_entry, const RopeTable& table,
                                  float query_scale);

}  // namespace restkv
