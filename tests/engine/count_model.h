// How many entries every head must hold, from the plan and the public splits alone: what the engine
// is compared with.
#pragma once

#include <vector>

#include "cache/kv_cache.h"
#include "engine/plan.h"
#include "model/hparams.h"

namespace restkv::test {

class CountModel {
 public:
  CountModel(const CachePlan& plan, const HParams& hparams);

  void read(int64_t n_token);
  void decode();
  // Compares; what the plan alone cannot tell is taken from the cache for the next step.
  void check(const KvCache& cache);
  // Whether heads are compared one by one, not by their layer's sum.
  bool is_exact() const;

 private:
  void add(int64_t n_token);
  void cut();
  void cut_layer(int32_t layer);
  bool leaves_alone(int32_t layer) const;
  int64_t n_forced() const;
  int64_t share(int32_t layer) const;  // past entries per head
  int64_t cap(int32_t layer, size_t head) const;
  void check_sum(int32_t l, const LayerCache& layer) const;

  const CachePlan& plan_;
  std::vector<std::vector<int64_t>> counts_;  // [n_layer][n_cached_head]
  int64_t n_seen_ = 0, n_decoded_ = 0;
  bool is_cut_ = false;  // by the last step
};

}  // namespace restkv::test
