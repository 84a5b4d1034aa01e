// Llama 2, Llama 3 and 3.1 (rope_freqs), Mistral v0.3 (wide heads).
#include <cmath>

#include "model/families/registry.h"

namespace restkv {
namespace {

std::vector<ExpectedTensor> tensors(const HParams& hp) { return transformer_tensors(hp, {}); }

float embedding_scale(const HParams&) { return 1.0f; }

ggml_tensor* layer(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                   const Attend& attend) {
  const Qkv qkv = project_qkv(g, w, rms_norm(g, x, w.attn_norm), RopePairs::neighbours);
  ggml_tensor* heads = attend(qkv.q, qkv.k, qkv.v, g.hparams.attention_scale);
  x = ggml_add(g.ctx, linear(g, w.wo, w.bo, heads), x);
  ggml_tensor* ffn = gated_ffn(g, w, rms_norm(g, x, w.ffn_norm), GatedUnit::swiglu);
  return ggml_add(g.ctx, ffn, x);
}

}  // namespace

const Family kLlama{"llama", "Llama 2, Llama 3, Mistral, SmolLM2", tensors, embedding_scale,
                    layer};

}  // namespace restkv
