// From a layer that has been read to a layer of a sequence's cache, cut where it is time.
#pragma once

#include <cstdint>

#include "engine/read_state.h"
#include "engine/sequence.h"

namespace restkv {

// Layer l becomes the sequence's, and what its later evictions will ask for is remembered. `cuts`:
// the schedule asks for an eviction now. `moments`: of the layer's queries so far.
// Errors: as choose_entries(); capacity (no memory for the compressed layer).
Status finish_layer(const ReadState& state, uint32_t l, bool cuts, const QueryMoments& moments,
                    Sequence* sequence);

}  // namespace restkv
