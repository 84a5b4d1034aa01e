#include "bench/common/take_back.h"

namespace restkv::bench {

Status take_back(int n_step, Sequence* sequence) {
  if (sequence->plan->repeats()) return {};
  for (LayerCache& layer : sequence->cache.layers) {
    for (int s = 0; s < n_step; ++s)
      layer.drop_last();
    RESTKV_RETURN_IF_ERROR(layer.reserve(0, sequence->cache.meter));
  }
  sequence->cache.next_position -= n_step;
  return {};
}

}  // namespace restkv::bench
