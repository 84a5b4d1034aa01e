// What the last queries of a prompt attend to, by key block and by distance.
#pragma once

#include <cstdint>
#include <vector>

#include "sparse/pattern.h"

namespace restkv::sparse {

struct LastBlock {
  // [n_key_block] mean weight over the queries; both sum to 1.
  std::vector<float> columns;    // of the keys of a block
  std::vector<float> diagonals;  // of the keys a distance away, in blocks: see last_block.cpp
};

// The last n_row queries of the head, or all where there are fewer.
LastBlock observe_last(const HeadObservation& head, int64_t n_row);

// The same by key block, estimated from means of kPool queries and keys (pooled_rows.h).
std::vector<float> estimate_last(const HeadObservation& head, int64_t n_row);

// Indices of the largest weights, ascending: as few as reach gamma of their sum, but at least
// n_min. Ties: the lower index first.
std::vector<int32_t> cover(const std::vector<float>& weights, double gamma, int64_t n_min);

// Jensen-Shannon distance of two distributions: the square root of the divergence in nats, from 0
// to sqrt(ln 2) = 0.83.
double jensen_shannon_distance(const std::vector<float>& p, const std::vector<float>& q);

}  // namespace restkv::sparse
