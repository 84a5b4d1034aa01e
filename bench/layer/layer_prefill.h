// The time of reading a long prompt through a layer, from a few of its chunks, densely and with
// attention that leaves blocks out.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/compute.h"
#include "model/model.h"
#include "restkv/options.h"
#include "restkv/status.h"

namespace restkv::bench {

// One layer, without evictions.
struct LayerPrefill {
  PrefillAttention attention{};
  int64_t n_token = 0;
  double ms = 0;
  double keys_ms = 0, choose_ms = 0;  // of it: the pass for keys alone, choosing
  double select_ms =
      0;             // of it: selecting, from the chunks that do nothing else; 0: there are none
  double share = 1;  // of the causal blocks, those that are computed
  // Of the attention of sampled queries, what lies in computed blocks: mean, and the worst head.
  double mass = 1, least_mass = 1;
};

struct LayerPrompt {
  int64_t n_token = 0;
  std::function<void(const std::string&)> say{};
};

// Dense first, then `sparse` in order. Five whole chunks, from the first to the last one, are run
// with the keys of all tokens in the scratch (activations.h); what a token costs in those between
// lies on straight lines. Blocks are selected for all chunks, for their share is exact.
// REQUIRES: sparse: kinds other than dense, kernels of ours. Errors: capacity; as Compute::run.
Result<std::vector<LayerPrefill>> sample_prefill(const Model& model, Compute& compute,
                                                 const LayerPrompt& prompt,
                                                 const std::vector<PrefillAttention>& sparse);

}  // namespace restkv::bench
