#include "engine/decode_ggml.h"

namespace restkv {
namespace {

// q, k, v of one sequence: [1][n_head or n_head_kv][head_dim].
Qkv slice(const GraphBuild& b, const Qkv& batch, int64_t slot) {
  const auto one = [&](ggml_tensor* t) {
    return ggml_view_3d(b.ctx, t, t->ne[0], t->ne[1], 1, t->nb[1], t->nb[2], slot * t->nb[2]);
  };
  return {one(batch.q), one(batch.k), one(batch.v)};
}

// Writes the newest entry of every cached head. k: [1][n_head_kv][head_dim].
void store(const GraphBuild& b, const LayerCache& layer, ggml_tensor* k, bool is_key) {
  const int64_t d = layer.head_dim(), n_kv = k->ne[1], per_kv = layer.n_head() / n_kv;
  const auto row = [&](int32_t head) {
    const int32_t last = layer.count(head) - 1;
    return is_key ? layer.k_row(head, last) : layer.v_row(head, last);
  };
  const ggml_type type = ggml_type_of(layer.type());
  if (type == GGML_TYPE_F16 && layer.is_uniform() && per_kv == 1) {
    b.expand(
        ggml_cpy(b.ctx, ggml_reshape_2d(b.ctx, ggml_cont(b.ctx, k), d, n_kv),
                 b.wrap_strided(type, row(0), d, n_kv, 1, layer.capacity(0) * layer.row_bytes(),
                                n_kv * layer.capacity(0) * layer.row_bytes())));
    return;
  }
  for (int32_t h = 0; h < layer.n_head(); ++h) {
    ggml_tensor* from = ggml_view_1d(b.ctx, k, d, (h / per_kv) * k->nb[1]);
    b.expand(ggml_cpy(b.ctx, from, b.wrap(type, row(h), d)));
  }
}

// q [1][n_head][head_dim] to the log's next row.
void write_query(const GraphBuild& b, QueryLog* log, ggml_tensor* q) {
  const size_t head = log->head_stride() * sizeof(float);
  b.expand(ggml_cpy(
      b.ctx, q,
      b.wrap_strided(GGML_TYPE_F32, log->slot(0), q->ne[0], q->ne[1], 1, head, head * q->ne[1])));
}

}  // namespace

GgmlDecodeAttention::GgmlDecodeAttention(const Model& model, std::span<const DecodeSlot> slots,
                                         int n_threads)
    : model_(model), hp_(model.hparams()), slots_(slots) {
  for (size_t s = 0; s < slots.size(); ++s)
    turning_.emplace_back(model, slots.subspan(s, 1), n_threads);
}

ggml_tensor* GgmlDecodeAttention::attend(const GraphBuild& b, uint32_t l, const Qkv& raw) {
  const auto n = static_cast<int64_t>(slots_.size());
  ggml_tensor* out = nullptr;
  for (int64_t s = 0; s < n; ++s) {
    Sequence& sequence = *slots_[s].sequence;
    const Qkv own = n == 1 ? raw : slice(b, raw, s);
    ggml_tensor* one = sequence.plan->rotates_when_read() ? turning_[s].attend(b, l, own)
                                                          : attend_slot(b, sequence, l, own);
    out = out == nullptr ? one : ggml_concat(b.ctx, out, one, 1);
  }
  return out;
}

// Returns [1][n_head * head_dim].
ggml_tensor* GgmlDecodeAttention::attend_slot(const GraphBuild& b, Sequence& sequence, uint32_t l,
                                              const Qkv& raw) {
  const LayerCache& layer = sequence.cache.layers[l];
  LayerMemory& memory = sequence.memory[l];
  if (memory.raw.keeps_any()) write_query(b, &memory.raw, raw.q);
  ggml_tensor* q = turn(b, sequence, raw.q);
  const float query_scale = model_.attention_scale().queries;
  if (query_scale != 1.0f) q = ggml_scale(b.ctx, q, query_scale);
  if (memory.rotated.keeps_any()) write_query(b, &memory.rotated, q);
  store(b, layer, turn(b, sequence, raw.k), true);
  store(b, layer, raw.v, false);
  const int64_t n_q = hp_.n_head, per_head = n_q / layer.n_head();
  ggml_tensor* out = nullptr;
  if (layer.is_uniform()) {
    out = attend_heads(b, layer, q, {0, layer.n_head(), 0, n_q});
  } else {
    for (int32_t h = 0; h < layer.n_head(); ++h) {
      ggml_tensor* part = attend_heads(b, layer, q, {h, 1, h * per_head, per_head});
      out = out == nullptr ? part : ggml_concat(b.ctx, out, part, 1);
    }
  }
  return ggml_reshape_2d(b.ctx, out, layer.head_dim() * n_q, 1);
}

// x [1][n_head or n_head_kv][head_dim] to the newest position.
ggml_tensor* GgmlDecodeAttention::turn(const GraphBuild& b, const Sequence& sequence,
                                       ggml_tensor* x) {
  positions_.push_back(sequence.cache.next_position - 1);
  return model_.rope().apply({b.ctx, hp_}, x, b.wrap(GGML_TYPE_I32, &positions_.back(), 1));
}

// Returns [1][n_query][head_dim].
ggml_tensor* GgmlDecodeAttention::attend_heads(const GraphBuild& b, const LayerCache& layer,
                                               ggml_tensor* q, const Heads& heads) const {
  const int64_t d = layer.head_dim(), n = layer.count(heads.cached);
  ggml_tensor* part =
      ggml_view_3d(b.ctx, q, d, heads.n_query, 1, q->nb[1], q->nb[2], heads.query * q->nb[1]);
  const auto entries = [&](std::byte* data) {
    return b.wrap_strided(ggml_type_of(layer.type()), data, d, n, heads.n_cached, layer.row_bytes(),
                          layer.capacity(heads.cached) * layer.row_bytes());
  };
  ggml_tensor* out = ggml_flash_attn_ext(b.ctx, ggml_permute(b.ctx, part, 0, 2, 1, 3),
                                         entries(layer.k_row(heads.cached, 0)),
                                         entries(layer.v_row(heads.cached, 0)), /*mask=*/nullptr,
                                         model_.attention_scale().logits, 0, 0);
  ggml_prec_set_acc(out, GGML_PREC_F32);
  return out;
}

}  // namespace restkv
