// Gemma (first generation): scaled embeddings, GeGLU, heads wider than n_embd / n_head, the output
// head tied to the embeddings. Queries are scaled before attention instead of the logits in it.
#include <cmath>

#include "model/families/registry.h"

namespace restkv {
namespace {

std::vector<ExpectedTensor> tensors(const HParams& hp) {
  return transformer_tensors(hp, {.own_output = false});
}

float embedding_scale(const HParams& hp) { return std::sqrt(static_cast<float>(hp.n_embd)); }

ggml_tensor* layer(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                   const Attend& attend) {
  const Qkv qkv = project_qkv(g, w, rms_norm(g, x, w.attn_norm), RopePairs::halves);
  const float scale = 1.0f / std::sqrt(static_cast<float>(g.hparams.head_dim));
  ggml_tensor* heads = attend(ggml_scale(g.ctx, qkv.q, scale), qkv.k, qkv.v, 1.0f);
  x = ggml_add(g.ctx, linear(g, w.wo, w.bo, heads), x);
  ggml_tensor* ffn = gated_ffn(g, w, rms_norm(g, x, w.ffn_norm), GatedUnit::geglu);
  return ggml_add(g.ctx, ffn, x);
}

}  // namespace

const Family kGemma{"gemma", "Gemma", tensors, embedding_scale, layer};

}  // namespace restkv
