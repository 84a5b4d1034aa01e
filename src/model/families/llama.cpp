// Llama 2, Llama 3 and 3.1 (rope_freqs), Mistral v0.3 (wide heads).
#include "model/families/registry.h"

namespace restkv {
namespace {

std::vector<ExpectedTensor> tensors(const HParams& hp) {
  return transformer_tensors(hp, {});
}

float embedding_scale(const HParams&) {
  return 1.0f;
}

ggml_tensor* layer(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                   const Attend& attend) {
  return pre_norm_layer(g, w, x, attend);
}

}  // namespace

const Family kLlama{"llama",
                    "Llama 2, Llama 3, Mistral, SmolLM2",
                    RopePairs::neighbours,
                    false,
                    tensors,
                    embedding_scale,
                    layer};

}  // namespace restkv
