// The projection factors R_h of a layer's query heads, from its W_o.
#pragma once

#include <cstdint>
#include <vector>

#include "model/model.h"
#include "restkv/tensor_view.h"

namespace restkv {

// Builds them when they are asked for and, where an eviction will come again and all layers'
// factors are small enough, keeps them.
// Thread safety: none.
class ProjectionFactors {
 public:
  // keep: whether a layer will be asked for again.
  ProjectionFactors(const Model& model, bool keep);

  // [n_head][head_dim][head_dim], valid until the next call.
  TensorView<const float, 3> layer(int32_t layer, int n_threads);

 private:
  const Model& model_;
  std::vector<std::vector<float>> kept_;  // [n_layer], empty where not built; one where not kept
};

}  // namespace restkv
