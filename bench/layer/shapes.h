// Geometries of known models, as their published configurations have them.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "model/hparams.h"
#include "restkv/status.h"

namespace restkv::bench {

struct LayerShape {
  const char* name;
  const char* arch;  // of the GGUF: llama, qwen2, gemma
  uint32_t n_embd, n_ff, n_head, n_head_kv, head_dim, n_layer, n_vocab;
  float rope_base;
};
std::span<const LayerShape> layer_shapes();
// Error: usage, with all names.
Result<LayerShape> find_shape(const std::string& name);

// Weights of one layer's matrices.
int64_t layer_weights(const LayerShape& shape);

}  // namespace restkv::bench
