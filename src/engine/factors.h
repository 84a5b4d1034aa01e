// The projection factors R_h of a layer's query heads, from its W_o.
#pragma once

#include <cstdint>

#include "core/workers.h"
#include "model/model.h"

namespace restkv {

// [n_head][head_dim][head_dim]. Built once for a model where those of all layers are small, and
// whenever they are asked for otherwise. Thread safety: as the workers'.
LayerMemo::Floats projection_factors(const Model& model, int32_t layer, Workers& workers);

// What they and the building of them take at most.
size_t projection_factor_bytes(const HParams& hparams, int n_threads);

}  // namespace restkv
