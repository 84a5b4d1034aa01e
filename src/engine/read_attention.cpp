#include "engine/read_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/parallel.h"

namespace restkv {

ggml_tensor* ReadAttention::attend(const GraphBuild& b, int64_t first, int64_t n, const Qkv& raw) {
  if (state_.raw->keeps_any()) write_queries(b, state_.raw, raw.q, first, n);
  if (state_.stores_raw) store_raw_keys(b, raw.k, first, n);
  attended_.resize(n * hp_.n_head * hp_.head_dim);
  const bool same_positions = !state_.turns_to_index || state_.scratch.is_uniform();
  if (!same_positions) {
    index_.resize(state_.scratch.n_store() * n);
    for (int32_t s = 0; s < state_.scratch.n_store(); ++s)
      attend_store(b, first, n, rotate_part(b, raw, s, first, n), s, 1);
    return attended(b, n);
  }
  const GraphContext g{b.ctx, hp_};
  const int64_t base = state_.turns_to_index ? state_.scratch.n_old(0) : state_.n_before;
  index_.resize(n);
  for (int64_t i = 0; i < n; ++i)
    index_[i] = static_cast<int32_t>(base + first + i);
  const Qkv qkv = rotate(g, raw, b.wrap(GGML_TYPE_I32, index_.data(), n));
  if (state_.rotated->keeps_any()) write_queries(b, state_.rotated, qkv.q, first, n);
  if (state_.scratch.is_uniform())
    return attend_store(b, first, n, qkv, 0, state_.scratch.n_store());
  for (int32_t s = 0; s < state_.scratch.n_store(); ++s)
    attend_store(b, first, n, part(b, qkv, s), s, 1);
  return attended(b, n);
}

Qkv ReadAttention::rotate(const GraphContext& g, const Qkv& raw, ggml_tensor* positions) const {
  const Rope rope = state_.model.rope();
  ggml_tensor* q = rope.apply(g, raw.q, positions);
  if (scale_.queries != 1.0f) q = ggml_scale(g.ctx, q, scale_.queries);
  return {q, rope.apply(g, raw.k, positions), raw.v};
}

// The query heads and the KV head of one store head.
Qkv ReadAttention::part(const GraphBuild& b, const Qkv& qkv, int32_t store) const {
  const int64_t n_group = hp_.n_head / state_.scratch.n_store();
  const auto heads = [&](ggml_tensor* t, int64_t first, int64_t count) {
    return ggml_view_3d(b.ctx, t, t->ne[0], count, t->ne[2], t->nb[1], t->nb[2], first * t->nb[1]);
  };
  const int64_t kv = kv_head(store);
  return {heads(qkv.q, store * n_group, n_group), heads(qkv.k, kv, 1), heads(qkv.v, kv, 1)};
}

// The same, turned to where this store head's entries end.
Qkv ReadAttention::rotate_part(const GraphBuild& b, const Qkv& raw, int32_t store, int64_t first,
                               int64_t n) {
  int32_t* index = index_.data() + store * n;
  for (int64_t i = 0; i < n; ++i)
    index[i] = static_cast<int32_t>(state_.scratch.n_old(store) + first + i);
  return rotate({b.ctx, hp_}, part(b, raw, store), b.wrap(GGML_TYPE_I32, index, n));
}

int64_t ReadAttention::kv_head(int32_t store) const {
  return store / (state_.scratch.n_store() / static_cast<int64_t>(hp_.n_head_kv));
}

// Rows of head `from_head` of t [n][..][head_dim] to `to` [n][head_dim] f16.
void ReadAttention::store_rows(const GraphBuild& b, ggml_tensor* t, int64_t from_head, int64_t n,
                               uint16_t* to) {
  ggml_tensor* rows =
      ggml_view_2d(b.ctx, t, t->ne[0], n, t->nb[2], static_cast<size_t>(from_head) * t->nb[1]);
  b.expand(ggml_cpy(b.ctx, rows, b.wrap(GGML_TYPE_F16, to, t->ne[0], n)));
}

void ReadAttention::store_raw_keys(const GraphBuild& b, ggml_tensor* k, int64_t first, int64_t n) {
  for (int32_t s = 0; s < state_.scratch.n_store(); ++s)
    store_rows(b, k, kv_head(s), n, state_.scratch.raw_k(s, first));
}

// Stores the new rows of store heads store .. store + count, which hold the same number of
// entries, and attends. qkv is of these heads alone. Returns [n][n_q * head_dim]; a part of the
// heads goes to attended_ instead.
ggml_tensor* ReadAttention::attend_store(const GraphBuild& b, int64_t first, int64_t n,
                                         const Qkv& qkv, int32_t store, int32_t count) {
  const int64_t d = hp_.head_dim, n_old = state_.scratch.n_old(store), n_kv = n_old + first + n;
  const int64_t per_kv = count / qkv.k->ne[1];
  for (int32_t i = 0; i < count; ++i) {
    const int64_t head = i / std::max<int64_t>(per_kv, 1);
    store_rows(b, qkv.k, head, n, state_.scratch.k(store + i, n_old + first));
    store_rows(b, qkv.v, head, n, state_.scratch.v(store + i, n_old + first));
  }
  const size_t row = d * sizeof(uint16_t), plane = (n_old + state_.n_token) * row;
  // One mask serves store heads with different numbers of old entries: its rows are aligned at
  // their end, and a head begins where its own entries do. ggml wants a mask that is contiguous
  // when the node is made, and then reads it by its strides.
  const int64_t width = state_.scratch.max_old() + first + n;
  ggml_tensor* mask = b.wrap(GGML_TYPE_F16, mask_.data() + width - n_kv, n_kv, n);
  ggml_tensor* out = ggml_flash_attn_ext(
      b.ctx, ggml_permute(b.ctx, qkv.q, 0, 2, 1, 3),
      b.wrap_strided(GGML_TYPE_F16, state_.scratch.k(store, 0), d, n_kv, count, row, plane),
      b.wrap_strided(GGML_TYPE_F16, state_.scratch.v(store, 0), d, n_kv, count, row, plane), mask,
      scale_.logits, 0, 0);
  mask->nb[1] = width * sizeof(ggml_fp16_t);
  mask->nb[2] = mask->nb[3] = n * mask->nb[1];
  ggml_prec_set_acc(out, GGML_PREC_F32);
  if (count == state_.scratch.n_store()) return ggml_reshape_2d(b.ctx, out, d * hp_.n_head, n);
  const int64_t n_q = qkv.q->ne[1];
  const size_t all = hp_.n_head * d * sizeof(float);
  b.expand(ggml_cpy(b.ctx, out,
                    b.wrap_strided(GGML_TYPE_F32, attended_.data() + store * n_q * d, d, n_q, n,
                                   d * sizeof(float), all)));
  return nullptr;
}

ggml_tensor* ReadAttention::attended(const GraphBuild& b, int64_t n) const {
  return b.wrap(GGML_TYPE_F32, attended_.data(), int64_t{hp_.n_head} * hp_.head_dim, n);
}

// Query first + i sees every old entry and the new ones 0 .. first + i.
void ReadAttention::begin_chunk(int64_t first, int64_t n) {
  count_blocks(first, n);
  const int64_t n_old = state_.scratch.max_old(), width = n_old + first + n;
  mask_.resize(n * width);
  const ggml_fp16_t hidden = ggml_fp32_to_fp16(-INFINITY);
  parallel_for(state_.compute.n_threads(), n, [&](int64_t i) {
    ggml_fp16_t* row = mask_.data() + i * width;
    const int64_t n_visible = n_old + first + i + 1;
    std::memset(row, 0, n_visible * sizeof(ggml_fp16_t));
    std::fill(row + n_visible, row + width, hidden);
  });
}

void ReadAttention::count_blocks(int64_t first, int64_t n) {
  for (int32_t s = 0; s < state_.scratch.n_store(); ++s) {
    const int64_t n_old = state_.scratch.n_old(s), n_head = hp_.n_head / state_.scratch.n_store();
    const int64_t n_causal =
        n_head * sparse::count_causal({.n_query = n, .n_key = n_old + first + n});
    state_.blocks += {n_causal, n_causal};
  }
}

// Writes those of the queries first .. first + n, q [n][n_head][head_dim], that the log keeps.
void ReadAttention::write_queries(const GraphBuild& b, QueryLog* log, ggml_tensor* q, int64_t first,
                                  int64_t n) {
  const int64_t d = hp_.head_dim;
  const int64_t from = std::max(first, log->first_kept(state_.n_token));
  const int64_t n_row = first + n - from;
  if (n_row <= 0) return;
  ggml_tensor* rows =
      ggml_view_3d(b.ctx, q, d, hp_.n_head, n_row, q->nb[1], q->nb[2], (from - first) * q->nb[2]);
  const size_t head = log->head_stride() * sizeof(float);
  b.expand(ggml_cpy(b.ctx, ggml_permute(b.ctx, rows, 0, 2, 1, 3),
                    b.wrap_strided(GGML_TYPE_F32, log->slot(from), d, n_row, hp_.n_head,
                                   d * sizeof(float), head)));
}

}  // namespace restkv
