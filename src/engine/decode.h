// One decode step for a batch of sequences, each over its own ragged cache. The weights are read
// once for all of them.
#pragma once

#include <span>
#include <vector>

#include "cache/kv_cache.h"
#include "engine/compute.h"
#include "model/model.h"

namespace restkv {

struct DecodeSlot {
  KvCache* cache;  // of as many cached heads as the model has KV heads, or query heads
  int32_t token;
};

// Appends each slot's token to its cache at cache->next_position and yields the logits of what
// follows, [n_slot][n_vocab]. REQUIRES: no cache twice. On an error no cache has changed.
// Errors: capacity (memory), runtime (cancelled), model (logits that are no numbers).
Status decode(const Model& model, Compute& compute, std::span<const DecodeSlot> slots,
              std::vector<float>* logits);

}  // namespace restkv
