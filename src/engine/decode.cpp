#include "engine/decode.h"

#include "engine/prefill.h"

namespace restkv {
namespace {

// Entries that a full cache grows by at once: moving a layer costs less than one decode step.
constexpr int32_t kGrowth = 64;

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
  if (layer.is_uniform() && per_kv == 1) {
    b.expand(ggml_cpy(
        b.ctx, ggml_reshape_2d(b.ctx, ggml_cont(b.ctx, k), d, n_kv),
        b.wrap_strided(GGML_TYPE_F16, row(0), d, n_kv, 1, layer.capacity(0) * layer.row_bytes(),
                       n_kv * layer.capacity(0) * layer.row_bytes())));
    return;
  }
  for (int32_t h = 0; h < layer.n_head(); ++h) {
    ggml_tensor* from = ggml_view_1d(b.ctx, k, d, (h / per_kv) * k->nb[1]);
    b.expand(ggml_cpy(b.ctx, from, b.wrap(GGML_TYPE_F16, row(h), d)));
  }
}

// Attention of query heads first .. first + n over cached heads head .. head + n_head, which have
// the same number of entries, evenly spaced. Returns [1][n][head_dim].
ggml_tensor* attend_heads(const GraphBuild& b, const LayerCache& layer, ggml_tensor* q,
                          int32_t head, int32_t n_head, int64_t first, int64_t n, float scale) {
  const int64_t d = layer.head_dim();
  ggml_tensor* part = ggml_view_3d(b.ctx, q, d, n, 1, q->nb[1], q->nb[2], first * q->nb[1]);
  const auto entries = [&](std::byte* data) {
    return b.wrap_strided(GGML_TYPE_F16, data, d, layer.count(head), n_head, layer.row_bytes(),
                          layer.capacity(head) * layer.row_bytes());
  };
  ggml_tensor* out = ggml_flash_attn_ext(
      b.ctx, ggml_permute(b.ctx, part, 0, 2, 1, 3), entries(layer.k_row(head, 0)),
      entries(layer.v_row(head, 0)), /*mask=*/nullptr, scale, 0, 0);
  ggml_prec_set_acc(out, GGML_PREC_F32);
  return out;
}

// Returns [1][n_head * head_dim].
ggml_tensor* attend_cache(const GraphBuild& b, const LayerCache& layer, const Qkv& qkv,
                          float scale) {
  store(b, layer, qkv.k, true);
  store(b, layer, qkv.v, false);
  const int64_t n_q = qkv.q->ne[1];
  ggml_tensor* out = nullptr;
  if (layer.is_uniform()) {
    out = attend_heads(b, layer, qkv.q, 0, layer.n_head(), 0, n_q, scale);
  } else {
    const int64_t per_head = n_q / layer.n_head();
    for (int32_t h = 0; h < layer.n_head(); ++h) {
      ggml_tensor* part = attend_heads(b, layer, qkv.q, h, 1, h * per_head, per_head, scale);
      out = out == nullptr ? part : ggml_concat(b.ctx, out, part, 1);
    }
  }
  return ggml_reshape_2d(b.ctx, out, layer.head_dim() * n_q, 1);
}

// Nodes and leaves of the step's graph, generously.
size_t count_nodes(const Model& model, std::span<const DecodeSlot> slots) {
  size_t nodes = 64;
  for (uint32_t l = 0; l < model.hparams().n_layer; ++l) {
    nodes += 64;
    for (const DecodeSlot& slot : slots)
      nodes += 24 + 16 * slot.cache->layers[l].n_head();
  }
  return nodes;
}

void build_step(const Model& model, const GraphBuild& b, std::span<const DecodeSlot> slots,
                const std::vector<int32_t>& ids, const std::vector<int32_t>& positions,
                float* logits) {
  const HParams& hp = model.hparams();
  const int64_t n = static_cast<int64_t>(slots.size());
  const GraphContext g{b.ctx, hp, b.wrap(GGML_TYPE_I32, positions.data(), n)};
  ggml_tensor* x = model.embed(g, b.wrap(GGML_TYPE_I32, ids.data(), n));
  for (uint32_t l = 0; l < hp.n_layer; ++l) {
    const Attend attend = [&](ggml_tensor* q, ggml_tensor* k, ggml_tensor* v, float scale) {
      ggml_tensor* out = nullptr;
      for (int64_t s = 0; s < n; ++s) {
        const Qkv qkv = n == 1 ? Qkv{q, k, v} : slice(b, {q, k, v}, s);
        ggml_tensor* one = attend_cache(b, slots[s].cache->layers[l], qkv, scale);
        out = out == nullptr ? one : ggml_concat(b.ctx, out, one, 1);
      }
      return out;
    };
    x = model.family().layer(g, model.layer(l), x, attend);
  }
  ggml_tensor* rows = model.head(g, x);
  b.expand(ggml_cpy(b.ctx, rows, b.wrap(GGML_TYPE_F32, logits, hp.n_vocab, n)));
}

}  // namespace

Status decode(const Model& model, Compute& compute, std::span<const DecodeSlot> slots,
              std::vector<float>* logits) {
  std::vector<int32_t> ids, positions;
  for (const DecodeSlot& slot : slots) {
    ids.push_back(slot.token);
    positions.push_back(slot.cache->next_position);
    for (LayerCache& layer : slot.cache->layers) {
      if (!layer.has_room()) RESTKV_RETURN_IF_ERROR(layer.reserve(kGrowth, slot.cache->meter));
    }
  }
  for (const DecodeSlot& slot : slots) {
    for (LayerCache& layer : slot.cache->layers)
      layer.append_position(slot.cache->next_position);
    ++slot.cache->next_position;
  }
  logits->resize(slots.size() * model.hparams().n_vocab);
  Status status = compute.run(count_nodes(model, slots), [&](const GraphBuild& b) {
    build_step(model, b, slots, ids, positions, logits->data());
  });
  if (status.ok()) status = check_logits(model, *logits);
  if (!status.ok()) {
    for (const DecodeSlot& slot : slots) {
      for (LayerCache& layer : slot.cache->layers)
        layer.drop_last();
      --slot.cache->next_position;
    }
  }
  return status;
}

}  // namespace restkv
