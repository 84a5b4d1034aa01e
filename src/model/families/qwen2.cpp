// Qwen2 and Qwen2.5: biases on q, k and v, often tied embeddings.
#include "model/families/registry.h"

namespace restkv {
namespace {

std::vector<ExpectedTensor> tensors(const HParams& hp) {
  return transformer_tensors(hp, {.qkv_bias = true, .wide_heads = false});
}

float embedding_scale(const HParams&) {
  return 1.0f;
}

ggml_tensor* layer(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                   const Attend& attend) {
  return pre_norm_layer(g, w, x, attend);
}

}  // namespace

const Family kQwen2{"qwen2", "Qwen2, Qwen2.5", RopePairs::halves, false, tensors, embedding_scale,
                    layer};

}  // namespace restkv
