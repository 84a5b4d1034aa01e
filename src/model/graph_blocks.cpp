#include "model/graph_blocks.h"

namespace restkv {
namespace {

std::string layer_name(int32_t layer, const char* part) {
  return "blk." + std::to_string(layer) + "." + part;
}

class GgmlOps : public LayerOps {
 public:
  ggml_tensor* norm(const GraphContext& g, ggml_tensor* x, ggml_tensor* weight) const override {
    return rms_norm(g, x, weight);
  }

  Qkv project_qkv(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                  bool) const override {
    const HParams& hp = g.hparams;
    const auto heads = [&](const Linear& part, int64_t n_head) {
      return ggml_reshape_3d(g.ctx, multiply(g, part, x), hp.head_dim, n_head, x->ne[1]);
    };
    ggml_tensor* q = heads(w.q, hp.n_head);
    ggml_tensor* k = heads(w.k, hp.n_head_kv);
    return {q, k, heads(w.v, hp.n_head_kv)};
  }

  ggml_tensor* add_linear(const GraphContext& g, const Linear& w, ggml_tensor* x,
                          ggml_tensor* residual) const override {
    ggml_tensor* y = multiply(g, w, x);
    return residual == nullptr ? y : ggml_add(g.ctx, y, residual);
  }

  ggml_tensor* gated(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                     GatedUnit unit) const override {
    ggml_tensor* up = multiply(g, w.up, x);
    ggml_tensor* gate = multiply(g, w.gate, x);
    return unit == GatedUnit::swiglu ? ggml_swiglu_split(g.ctx, gate, up)
                                     : ggml_geglu_split(g.ctx, gate, up);
  }
};

}  // namespace

ggml_tensor* Rope::apply(const GraphContext& g, ggml_tensor* x, ggml_tensor* positions) const {
  const HParams& hp = g.hparams;
  const int mode = pairs == RopePairs::halves ? GGML_ROPE_TYPE_NEOX : GGML_ROPE_TYPE_NORMAL;
  return ggml_rope_ext(g.ctx, x, positions, freqs, hp.n_rot, mode, hp.n_ctx_orig, hp.rope_freq_base,
                       hp.rope_freq_scale, hp.yarn_ext_factor, hp.yarn_attn_factor,
                       hp.yarn_beta_fast, hp.yarn_beta_slow);
}

LayerWeights bind_layer(const Weights& weights, int32_t layer) {
  const auto plain = [&](const char* part) { return weights.plain(layer_name(layer, part)); };
  const auto linear = [&](const std::string& part) -> Linear {
    return {weights.matrix(layer_name(layer, (part + ".weight").c_str())),
            plain((part + ".bias").c_str())};
  };
  LayerWeights w;
  w.attn_norm = plain("attn_norm.weight");
  w.q = linear("attn_q");
  w.k = linear("attn_k");
  w.v = linear("attn_v");
  w.o = linear("attn_output");
  w.ffn_norm = plain("ffn_norm.weight");
  w.gate = linear("ffn_gate");
  w.up = linear("ffn_up");
  w.down = linear("ffn_down");
  w.rope_freqs = weights.plain("rope_freqs.weight");
  return w;
}

ggml_tensor* rms_norm(const GraphContext& g, ggml_tensor* x, ggml_tensor* weight) {
  return ggml_mul(g.ctx, ggml_rms_norm(g.ctx, x, g.hparams.rms_eps), weight);
}

ggml_tensor* multiply(const GraphContext& g, const Linear& w, ggml_tensor* x) {
  ggml_tensor* y = ggml_mul_mat(g.ctx, w.weight.operand, x);
  return w.bias == nullptr ? y : ggml_add(g.ctx, y, w.bias);
}

const LayerOps& ggml_ops() {
  static const GgmlOps kOps;
  return kOps;
}

ggml_tensor* pre_norm_layer(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                            const Attend& attend, GatedUnit unit) {
  ggml_tensor* heads = attend(g.ops.project_qkv(g, w, g.ops.norm(g, x, w.attn_norm)));
  x = g.ops.add_linear(g, w.o, heads, x);
  return g.ops.add_linear(g, w.down, g.ops.gated(g, w, g.ops.norm(g, x, w.ffn_norm), unit), x);
}

std::vector<ExpectedTensor> transformer_tensors(const HParams& hp, const TensorRules& rules) {
  const int64_t n_q = rules.wide_heads ? int64_t{hp.head_dim} * hp.n_head : hp.n_embd;
  const int64_t n_kv = int64_t{hp.head_dim} * hp.n_head_kv;
  std::vector<ExpectedTensor> list;
  const auto add = [&](std::string name, int64_t ne0, int64_t ne1, bool required) {
    list.push_back({std::move(name), {ne0, ne1, 1, 1}, required});
  };
  add("token_embd.weight", hp.n_embd, hp.n_vocab, true);
  add("output_norm.weight", hp.n_embd, 1, true);
  if (rules.own_output) add("output.weight", hp.n_embd, hp.n_vocab, false);
  if (rules.own_output) add("output.bias", hp.n_vocab, 1, false);
  add("rope_freqs.weight", hp.n_rot / 2, 1, false);
  for (int32_t l = 0; l < static_cast<int32_t>(hp.n_layer); ++l) {
    const auto part = [&](const char* p, int64_t ne0, int64_t ne1, bool required) {
      add(layer_name(l, p), ne0, ne1, required);
    };
    part("attn_norm.weight", hp.n_embd, 1, true);
    part("attn_q.weight", hp.n_embd, n_q, true);
    part("attn_k.weight", hp.n_embd, n_kv, true);
    part("attn_v.weight", hp.n_embd, n_kv, true);
    part("attn_output.weight", n_q, hp.n_embd, true);
    part("attn_q.bias", n_q, 1, rules.qkv_bias);
    part("attn_k.bias", n_kv, 1, rules.qkv_bias);
    part("attn_v.bias", n_kv, 1, rules.qkv_bias);
    part("attn_output.bias", hp.n_embd, 1, false);
    part("ffn_norm.weight", hp.n_embd, 1, true);
    part("ffn_gate.weight", hp.n_embd, hp.n_ff, true);
    part("ffn_up.weight", hp.n_embd, hp.n_ff, true);
    part("ffn_down.weight", hp.n_ff, hp.n_embd, true);
    part("ffn_gate.bias", hp.n_ff, 1, false);
    part("ffn_up.bias", hp.n_ff, 1, false);
    part("ffn_down.bias", hp.n_embd, 1, false);
  }
  return list;
}

}  // namespace restkv
