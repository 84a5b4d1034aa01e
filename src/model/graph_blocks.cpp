#include "model/graph_blocks.h"

namespace restkv {
namespace {

std::string layer_name(int32_t layer, const char* part) {
  return "blk." + std::to_string(layer) + "." + part;
}

}  // namespace

ggml_tensor* Rope::apply(const GraphContext& g, ggml_tensor* x, ggml_tensor* positions) const {
  const HParams& hp = g.hparams;
  const int mode = pairs == RopePairs::halves ? GGML_ROPE_TYPE_NEOX : GGML_ROPE_TYPE_NORMAL;
  return ggml_rope_ext(g.ctx, x, positions, freqs, hp.n_rot, mode, hp.n_ctx_orig, hp.rope_freq_base,
                       hp.rope_freq_scale, hp.yarn_ext_factor, hp.yarn_attn_factor,
                       hp.yarn_beta_fast, hp.yarn_beta_slow);
}

LayerWeights bind_layer(const Weights& weights, int32_t layer) {
  const auto matrix = [&](const char* part) { return weights.matrix(layer_name(layer, part)); };
  const auto plain = [&](const char* part) { return weights.plain(layer_name(layer, part)); };
  LayerWeights w;
  w.attn_norm = plain("attn_norm.weight");
  w.wq = matrix("attn_q.weight");
  w.wk = matrix("attn_k.weight");
  w.wv = matrix("attn_v.weight");
  w.wo = matrix("attn_output.weight");
  w.bq = plain("attn_q.bias");
  w.bk = plain("attn_k.bias");
  w.bv = plain("attn_v.bias");
  w.bo = plain("attn_output.bias");
  w.ffn_norm = plain("ffn_norm.weight");
  w.ffn_gate = matrix("ffn_gate.weight");
  w.ffn_up = matrix("ffn_up.weight");
  w.ffn_down = matrix("ffn_down.weight");
  w.ffn_gate_b = plain("ffn_gate.bias");
  w.ffn_up_b = plain("ffn_up.bias");
  w.ffn_down_b = plain("ffn_down.bias");
  w.rope_freqs = weights.plain("rope_freqs.weight");
  return w;
}

ggml_tensor* rms_norm(const GraphContext& g, ggml_tensor* x, ggml_tensor* weight) {
  return ggml_mul(g.ctx, ggml_rms_norm(g.ctx, x, g.hparams.rms_eps), weight);
}

ggml_tensor* linear(const GraphContext& g, ggml_tensor* w, ggml_tensor* bias, ggml_tensor* x) {
  ggml_tensor* y = ggml_mul_mat(g.ctx, w, x);
  return bias == nullptr ? y : ggml_add(g.ctx, y, bias);
}

Qkv project_qkv(const GraphContext& g, const LayerWeights& w, ggml_tensor* x) {
  const HParams& hp = g.hparams;
  const int64_t n_token = x->ne[1];
  ggml_tensor* q = linear(g, w.wq, w.bq, x);
  ggml_tensor* k = linear(g, w.wk, w.bk, x);
  ggml_tensor* v = linear(g, w.wv, w.bv, x);
  return {ggml_reshape_3d(g.ctx, q, hp.head_dim, hp.n_head, n_token),
          ggml_reshape_3d(g.ctx, k, hp.head_dim, hp.n_head_kv, n_token),
          ggml_reshape_3d(g.ctx, v, hp.head_dim, hp.n_head_kv, n_token)};
}

ggml_tensor* gated_ffn(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                       GatedUnit unit) {
  ggml_tensor* up = linear(g, w.ffn_up, w.ffn_up_b, x);
  ggml_tensor* gate = linear(g, w.ffn_gate, w.ffn_gate_b, x);
  ggml_tensor* hidden = unit == GatedUnit::swiglu ? ggml_swiglu_split(g.ctx, gate, up)
                                                  : ggml_geglu_split(g.ctx, gate, up);
  return linear(g, w.ffn_down, w.ffn_down_b, hidden);
}

ggml_tensor* pre_norm_layer(const GraphContext& g, const LayerWeights& w, ggml_tensor* x,
                            const Attend& attend, GatedUnit unit) {
  ggml_tensor* heads = attend(project_qkv(g, w, rms_norm(g, x, w.attn_norm)));
  x = ggml_add(g.ctx, linear(g, w.wo, w.bo, heads), x);
  ggml_tensor* ffn = gated_ffn(g, w, rms_norm(g, x, w.ffn_norm), unit);
  return ggml_add(g.ctx, ffn, x);
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
