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

// y = w x + bias of a layer: w [n_out][n_in], bias [n_out] or nullptr.
struct Linear {
  Matrix weight;
  ggml_tensor* bias = nullptr;

  int64_t n_in() const { return weight.file->ne[0]; }
  int64_t n_out() const { return weight.file->ne[1]; }
};

// The tensors of one layer; nullptr where the file has none.
struct LayerWeights {
  ggml_tensor* attn_norm = nullptr;
  Linear q, k, v, o;
  ggml_tensor* ffn_norm = nullptr;
  Linear gate, up, down;
  ggml_tensor* rope_freqs = nullptr;
};
LayerWeights bind_layer(const Weights& weights, int32_t layer);

class LayerOps;
const LayerOps& ggml_ops();

// What a graph under construction needs everywhere.
struct GraphContext {
  ggml_context* ctx;
  const HParams& hparams;
  const LayerOps& ops = ggml_ops();
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

enum class GatedUnit { swiglu, geglu };

// The steps that a layer is made of, as nodes of ggml's or of ours: which of them is the caller's
// choice, a family only puts them in order. What lies between two steps of the same kind may have a
// type and a layout of its own; x, residual and the results of add_linear() are [n_token][n_embd].
class LayerOps {
 public:
  virtual ~LayerOps() = default;
  virtual ggml_tensor* norm(const GraphContext& g, ggml_tensor* x, ggml_tensor* weight) const = 0;
  // Where queries are not wanted q may be nullptr.
  virtual Qkv project_qkv(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                          bool wants_queries = true) const = 0;
  // residual + w x. x: what attention, gated() or norm() returned; residual may be nullptr and
  // may become the result, if it is one itself.
  virtual ggml_tensor* add_linear(const GraphContext& g, const Linear& w, ggml_tensor* x,
                                  ggml_tensor* residual) const = 0;
  // act(gate x) * up x, [n_token][n_ff].
  virtual ggml_tensor* gated(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                             GatedUnit unit) const = 0;
};

// A layer's steps up to its attention; what follows is left out, and the layer's result means
// nothing. For those who want its keys and values alone, and perhaps its queries.
class UpToAttention : public LayerOps {
 public:
  UpToAttention(const LayerOps& steps, bool wants_queries)
      : steps_(steps), wants_queries_(wants_queries) {}
  ggml_tensor* norm(const GraphContext& g, ggml_tensor* x, ggml_tensor* weight) const override {
    return steps_.norm(g, x, weight);
  }
  Qkv project_qkv(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                  bool) const override {
    return steps_.project_qkv(g, w, x, wants_queries_);
  }
  ggml_tensor* add_linear(const GraphContext&, const Linear&, ggml_tensor*,
                          ggml_tensor* residual) const override {
    return residual;
  }
  ggml_tensor* gated(const GraphContext&, const LayerWeights&, ggml_tensor* x,
                     GatedUnit) const override {
    return x;
  }

 private:
  const LayerOps& steps_;
  const bool wants_queries_;
};

ggml_tensor* rms_norm(const GraphContext& g, ggml_tensor* x, ggml_tensor* weight);
// x [n_token][n_in].
ggml_tensor* multiply(const GraphContext& g, const Linear& w, ggml_tensor* x);

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
