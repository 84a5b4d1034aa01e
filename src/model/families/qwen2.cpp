// Qwen2 and Qwen2.5: biases on q, k and v, often tied embeddings.
#include "model/families/registry.h"

namespace restkv {
namespace {

std::vector<ExpectedTensor> tensors(const HParams& hp) {
  return transformer_tensors(hp, {.qkv_bias = true, .wide_heads = false});
}

float embedding_scale(const HParams&) { return 1.0f; }

ggml_tensor* layer(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                   const Attend& attend) {
  const Qkv qkv = project_qkv(g, w, rms_norm(g, x, w.attn_norm), RopePairs::halves);
  ggml_tensor* heads = attend(qkv.q, qkv.k, qkv.v, g.hparams.attention_scale);
  x = ggml_add(g.ctx, linear(g, w.wo, w.bo, heads), x);
  ggml_tensor* ffn = gated_ffn(g, w, rms_norm(g, x, w.ffn_norm), GatedUnit::swiglu);
  return ggml_add(g.ctx, ffn, x);
}

}  // namespace

const Family kQwen2{"qwen2", "Qwen2, Qwen2.5", tensors, embedding_scale, layer};

}  // namespace restkv
