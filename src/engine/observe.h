// Statistics of a layer's queries, from what its logs hold.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/evict.h"
#include "engine/sequence.h"

namespace restkv {

// The logs that a plan's later evictions need of a layer. `fresh`: keys of a first prompt stand
// where their tokens stand, whatever the plan does with them afterwards.
QueryLog rotated_log(const CachePlan& plan, const HParams& hparams, bool fresh);
QueryLog raw_log(const CachePlan& plan, const HParams& hparams, bool fresh);

// Adds the queries since the log's last mark(), the newest of them token n_seen - 1; those of the
// first 4 tokens are left out (docs/policies.md, expected-attention).
void fold_moments(const QueryLog& raw, int64_t n_seen, float query_scale, const HParams& hparams,
                  Workers& workers, QueryMoments* moments);

struct RotatedMoments {
  std::vector<float> mean;        // [n_head][head_dim]
  std::vector<float> covariance;  // [n_head][head_dim][head_dim]
};
// Mean and covariance turned by the mean rotation of the 512 positions from next[s] on, for the
// query heads of store head s: heads may end at different indices. `known`: what the last call
// used; layers mostly end where the one before did. Errors: as Compute::run.
Result<RotatedMoments> rotate_moments(const Model& model, Compute& compute,
                                      const QueryMoments& moments, std::span<const int64_t> next,
                                      MeanRotation* known);

// What a plan asks to know of one layer's queries, and the memory behind it.
class LayerStatistics {
 public:
  struct Source {
    int32_t layer = 0;
    int64_t n_seen = 0;
    const QueryLog* log = nullptr;  // before RoPE where by_index, after it otherwise
    bool by_index = false;          // keys stand at their index
    const QueryMoments* moments = nullptr;
  };

  // Everything of a view but keys, values and positions, which are there already. The view borrows
  // from this object and from the sequence. REQUIRES: by_index: sequence->rope holds all indices.
  // Errors: as Compute::run.
  Status fill(const Model& model, Compute& compute, const Source& source, Sequence* sequence,
              LayerView* view);

 private:
  void fill_queries(const Model& model, const Source& source, const Sequence& sequence,
                    LayerView* view);

  std::vector<float> turned_;  // [n_head][n_query][head_dim]
  RotatedMoments moments_;
  LayerMemo::Floats factors_;
};

}  // namespace restkv
