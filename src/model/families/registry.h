// The model families: one file each, one line each in registry.cpp.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "model/graph_blocks.h"

namespace restkv {

struct Family {
  std::string_view arch;    // general.architecture of the GGUF file
  std::string_view models;  // what users know it by
  RopePairs rope_pairs;
  bool scale_queries;  // before attention, instead of the logits in it
  std::vector<ExpectedTensor> (*tensors)(const HParams& hparams);
  // Factor on the embedded tokens; 1 for most.
  float (*embedding_scale)(const HParams& hparams);
  // One layer: x [n_token][n_embd] in, the same shape out.
  ggml_tensor* (*layer)(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                        const Attend& attend);
};

std::span<const Family> families();
const Family* find_family(std::string_view arch);
std::vector<std::string_view> family_names();

extern const Family kLlama;
extern const Family kQwen2;
extern const Family kGemma;

}  // namespace restkv
