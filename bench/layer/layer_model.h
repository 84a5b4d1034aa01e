// A model that is nothing but layers of a known geometry, with random weights.
#pragma once

#include <memory>

#include "bench/layer/shapes.h"
#include "ggml.h"
#include "model/model.h"
#include "restkv/options.h"

namespace restkv::bench {

// As few layers as it takes for their weights not to stay in a CPU's cache from one decode step to
// the next; the vocabulary has a few words. The file is written to the folder for temporary files
// and removed once it is mapped. type: GGML_TYPE_Q4_0 or GGML_TYPE_Q8_0.
// Errors: runtime (the file cannot be written); as Model::load().
Result<std::shared_ptr<const Model>> make_layer_model(const LayerShape& shape, ggml_type type,
                                                      Kernels kernels);

}  // namespace restkv::bench
