// Decoding again and again from the same cache.
#pragma once

#include "engine/sequence.h"
#include "restkv/status.h"

namespace restkv::bench {

// A cache that nothing cuts loses the last n_step entries and the room that they took, so that
// growing is paid for every time. One that is cut again stays as it is: its schedule keeps its
// size. Error: capacity.
Status take_back(int n_step, Sequence* sequence);

}  // namespace restkv::bench
