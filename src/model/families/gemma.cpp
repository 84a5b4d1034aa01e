// Gemma (first generation): scaled embeddings, GeGLU, heads wider than n_embd / n_head, the output
// head tied to the embeddings. Queries are scaled before attention instead of the logits in it.
#include <cmath>

#include "model/families/registry.h"

namespace restkv {
namespace {

std::vector<ExpectedTensor> tensors(const HParams& hp) {
  return transformer_tensors(hp, {.own_output = false});
}

float embedding_scale(const HParams& hp) {
  return std::sqrt(static_cast<float>(hp.n_embd));
}

ggml_tensor* layer(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                   const Attend& attend) {
  return pre_norm_layer(g, w, x, attend, GatedUnit::geglu);
}

}  // namespace

const Family kGemma{"gemma", "Gemma", RopePairs::halves, true, tensors, embedding_scale, layer};

}  // namespace restkv
