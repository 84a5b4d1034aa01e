// A layer whose synthetic K/V has been "read" and is about to be cut, as the engine holds it.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "bench/layer/synthetic.h"
#include "engine/finish_layer.h"

namespace restkv::bench {

using Plans = std::vector<std::shared_ptr<const CachePlan>>;

class SyntheticLayer {
 public:
  // Allocates and fills scratch and logs for what these plans look at. Error: capacity.
  static Result<std::unique_ptr<SyntheticLayer>> create(const Model& model, Compute& compute,
                                                        int64_t n_token, const Plans& plans);

  // All layers of a sequence, each cut from the same K/V. Errors: as finish_layer().
  Result<Sequence> cut(const std::shared_ptr<const CachePlan>& plan);

 private:
  SyntheticLayer(const Model& model, Compute& compute, int64_t n_token, const Plans& plans);
  void fill_rows();
  void fill_log(QueryLog* log);

  SyntheticShape shape_;
  ReadState state_;
  QueryLog rotated_, raw_;
};

// Of the planted entries, the share that the cache's first layer holds.
double planted_recall(const KvCache& cache, int64_t n_token);

}  // namespace restkv::bench
