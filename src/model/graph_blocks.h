// The pieces that transformer families are built from, on ggml graphs. Shapes in comments are
// row-major; ggml's ne[] runs the other way.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ggml.h"
#include "model/hparams.h"
#include "model/weights.h"

namespace restkv {

// The tensors of one layer; nullptr where the file has none.
struct LayerWeights {
  ggml_tensor* attn_norm = nullptr;
  ggml_tensor *wq = nullptr, *wk = nullptr, *wv = nullptr, *wo = nullptr;
  ggml_tensor *bq = nullptr, *bk = nullptr, *bv = nullptr, *bo = nullptr;
  ggml_tensor* ffn_norm = nullptr;
  ggml_tensor *ffn_gate = nullptr, *ffn_up = nullptr, *ffn_down = nullptr;
  ggml_tensor *ffn_gate_b = nullptr, *ffn_up_b = nullptr, *ffn_down_b = nullptr;
  ggml_tensor* rope_freqs = nullptr;
};
LayerWeights bind_layer(const Weights& weights, int32_t layer);

// What a graph under construction needs everywhere.
struct GraphContext {
  ggml_context* ctx;
  const HParams& hparams;
};

// How a family's RoPE pairs dimensions; ggml's modes.
enum class RopePairs { neighbours, halves };

// The rotation of queries and keys; freqs may be nullptr.
struct Rope {
  RopePairs pairs = RopePairs::neighbours;
  ggml_tensor* freqs = nullptr;

  // x [n_token][n_head][head_dim] at positions [n_token] int32.
  ggml_tensor* apply(const GraphContext& g, ggml_tensor* x, ggml_tensor* positions) const;
};

// What attention starts from: [n_token][n_head or n_head_kv][head_dim] before RoPE, because where
// a key is rotated to is the cache's business.
struct Qkv {
  ggml_tensor *q, *k, *v;
};

// Factors of the attention logits: one on the rotated queries, one on the dot products.
struct AttentionScale {
  float queries = 1.0f, logits = 1.0f;
};

// Attention over whatever cache the caller has: rotates, stores k and v, attends with q.
// Returns [n_token][n_head * head_dim].
using Attend = std::function<ggml_tensor*(const Qkv& qkv)>;

ggml_tensor* rms_norm(const GraphContext& g, ggml_tensor* x, ggml_tensor* weight);
// x [n_token][n_in] times w [n_out][n_in], plus bias [n_out] unless nullptr.
ggml_tensor* linear(const GraphContext& g, ggml_tensor* w, ggml_tensor* bias, ggml_tensor* x);
Qkv project_qkv(const GraphContext& g, const LayerWeights& w, ggml_tensor* x);
enum class GatedUnit { swiglu, geglu };
ggml_tensor* gated_ffn(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                       GatedUnit unit);

// Norm, attention, residual, norm, gated feed-forward, residual: the layer that most families
// share.
ggml_tensor* pre_norm_layer(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                            const Attend& attend, GatedUnit unit = GatedUnit::swiglu);

// ---- expected tensors, shared by the families ------------------------------------------------
struct TensorRules {
  bool qkv_bias = false;   // required; otherwise allowed
  bool own_output = true;  // may have output.weight; otherwise always tied to token_embd
  bool wide_heads = true;  // head_dim * n_head may differ from n_embd
};
std::vector<ExpectedTensor> transformer_tensors(const HParams& hparams, const TensorRules& rules);

}  // namespace restkv
