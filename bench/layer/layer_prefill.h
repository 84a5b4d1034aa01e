// The time of reading a long prompt through a layer, from a few pieces of it.
#pragma once

#include "engine/compute.h"
#include "engine/sequence.h"
#include "model/model.h"
#include "restkv/status.h"

namespace restkv::bench {

// Milliseconds of one layer for n_token tokens without evictions: pieces of 2,048 tokens are read
// behind nothing, half of the prompt and nearly all of it, and those between are taken to lie on
// straight lines; below four pieces the middle one is left out, below two only the first is read.
// full: a sequence of the plan that keeps everything, n_token entries in every head; it is used up.
// Errors: as extend().
Result<double> sample_prefill(const Model& model, Compute& compute, int64_t n_token,
                              Sequence* full);

}  // namespace restkv::bench
