#include "bench/common/take_back.h"

namespace restkv::bench {

Status take_back(int n_step, Sequence* sequence) {
  if (sequence->plan->repeats()) return {};
  sequence->drop_last(n_step);
  for (LayerCache& layer : sequence->cache.layers)
    RESTKV_RETURN_IF_ERROR(layer.reserve(0, sequence->cache.meter));
  return {};
}

}  // namespace restkv::bench
