// Cutting a cache in place, while decoding.
#pragma once

#include "engine/compute.h"
#include "engine/sequence.h"
#include "model/model.h"

namespace restkv {

// Counts a decoded token, and cuts every layer back to its budget when the schedule says so.
// Errors: as choose_entries(); the sequence is broken then.
Status count_decoded(const Model& model, Compute& compute, Sequence* sequence);

}  // namespace restkv
