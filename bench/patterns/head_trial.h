// One query head under one pattern after the other, against its dense attention.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/patterns/patterns.h"
#include "restkv/tensor_view.h"

namespace restkv::bench {

struct HeadRead {
  const float* queries = nullptr;  // [n_query][head_dim]
  int64_t n_query = 0;
  RowsView keys, values;                  // [n_query][head_dim]
  const std::vector<float>& pooled_keys;  // pool_keys(keys)
  float scale = 1.0f;
  int64_t chunk = 0, sample = 0;
};

std::vector<float> pool_keys(const RowsView& keys);

class HeadTrial {
 public:
  explicit HeadTrial(const HeadRead& head);

  // mass, error: means over the sampled queries; n_head 1.
  PatternQuality run(const PrefillAttention& method) const;

 private:
  void attend_densely();
  void measure(const std::vector<uint8_t>& mask, PatternQuality* quality) const;

  HeadRead head_;
  RowsView pooled_;
  std::vector<int64_t> rows_;   // sampled queries
  std::vector<float> weights_;  // [n_row][stride]
  int64_t stride_ = 0;
  std::vector<float> outputs_;  // [n_row][head_dim]
};

// Adds one head's quality to a sum.
void add_head(const PatternQuality& head, PatternQuality* sum);

}  // namespace restkv::bench
