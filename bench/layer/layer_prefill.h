// The time of reading a long prompt through a layer, from a few of its chunks.
#pragma once

#include "engine/compute.h"
#include "engine/sequence.h"
#include "model/model.h"
#include "restkv/status.h"

namespace restkv::bench {

// Milliseconds of one layer for n_token tokens without evictions: chunks of 512 tokens are read
// behind nothing, half of the prompt and nearly all of it, and the chunks between are taken to lie
// on straight lines. full: a sequence of the plan that keeps everything, n_token entries in every
// head; it is used up. Errors: as extend().
Result<double> sample_prefill(const Model& model, Compute& compute, int64_t n_token,
                              Sequence* full);

}  // namespace restkv::bench
