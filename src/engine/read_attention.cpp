#include "engine/read_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/panel_products.h"

namespace restkv {

ReadAttention::ReadAttention(ReadState& state, const Options& options)
    : state_(state),
      hp_(state.model.hparams()),
      scale_(state.model.attention_scale()),
      tiles_(uses_tiles(state.compute.kernels(), state.attention)),
      rounds_(options.rounds && tiles_),
      blocks_(state, options.n_tail) {}

bool ReadAttention::uses_tiles(Kernels kernels, const PrefillAttention& attention) {
  const bool is_sparse = attention.kind != PrefillAttention::Kind::dense;
  return kernels == Kernels::automatic && (TileAttention::available() || is_sparse);
}

Status ReadAttention::allocate(int64_t max_entries, const std::shared_ptr<KvMeter>& meter) {
  if (!tiles_) {
    if (state_.attention.kind == PrefillAttention::Kind::dense) return {};
    return Status::usage(
        "the prompt's attention is to leave blocks out, which ggml's kernels cannot");
  }
  RESTKV_RETURN_IF_ERROR(blocks_.prepare());
  return tile_attention_.allocate(max_entries, hp_.head_dim, state_.compute.n_threads(), meter);
}

void ReadAttention::end_keys() {
  keys_only_ = false;
  blocks_.choose();
}

ggml_tensor* ReadAttention::attend(const GraphBuild& b, int64_t first, int64_t n, const Qkv& raw) {
  if (!keys_only_ && state_.raw->keeps_any()) write_queries(b, state_.raw, raw.q, first, n);
  if (state_.stores_raw) store_raw_keys(b, raw.k, first, n);
  const int64_t n_column = int64_t{hp_.n_head} * hp_.head_dim;
  const int64_t n_row = rounds_ ? pad_panel_rows(n) : n;
  const ggml_type type = rounds_ ? GGML_TYPE_BF16 : GGML_TYPE_F32;
  attended_.resize(n_row * ggml_row_size(type, n_column));
  ggml_tensor* out = b.wrap(type, attended_.data(), n_column, n_row);
  const int32_t n_store = state_.scratch.n_store();
  if (state_.turns_to_index && !state_.scratch.is_uniform()) {
    index_.resize(n_store * n);
    for (int32_t s = 0; s < n_store; ++s)
      attend_stores(b, first, n, rotate_part(b, raw, s, first, n), s, 1, out);
    return out;
  }
  const GraphContext g{b.ctx, hp_};
  const int64_t base = state_.turns_to_index ? state_.scratch.n_old(0) : state_.n_before;
  index_.resize(n);
  for (int64_t i = 0; i < n; ++i)
    index_[i] = static_cast<int32_t>(base + first + i);
  const Qkv qkv = rotate(g, raw, b.wrap(GGML_TYPE_I32, index_.data(), n));
  if (!keys_only_ && state_.rotated->keeps_any()) write_queries(b, state_.rotated, qkv.q, first, n);
  if (state_.scratch.is_uniform()) {
    attend_stores(b, first, n, qkv, 0, n_store, out);
    return out;
  }
  for (int32_t s = 0; s < n_store; ++s)
    attend_stores(b, first, n, part(b, qkv, s), s, 1, out);
  return out;
}

Qkv ReadAttention::rotate(const GraphContext& g, const Qkv& raw, ggml_tensor* positions) const {
  const Rope rope = state_.model.rope();
  ggml_tensor* q = raw.q == nullptr ? nullptr : rope.apply(g, raw.q, positions);
  if (q != nullptr && scale_.queries != 1.0f) q = ggml_scale(g.ctx, q, scale_.queries);
  return {q, rope.apply(g, raw.k, positions), raw.v};
}

// The query heads and the KV head of one store head.
Qkv ReadAttention::part(const GraphBuild& b, const Qkv& qkv, int32_t store) const {
  const int64_t n_group = hp_.n_head / state_.scratch.n_store();
  const auto heads = [&](ggml_tensor* t, int64_t first, int64_t count) {
    if (t == nullptr) return t;
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
// entries, and attends. qkv is of these heads alone; out [n][n_head * head_dim] of all.
void ReadAttention::attend_stores(const GraphBuild& b, int64_t first, int64_t n, const Qkv& qkv,
                                  int32_t store, int32_t count, ggml_tensor* out) {
  const int64_t n_old = state_.scratch.n_old(store), per_kv = count / qkv.k->ne[1];
  for (int32_t i = 0; i < count; ++i) {
    const int64_t head = i / std::max<int64_t>(per_kv, 1);
    store_rows(b, qkv.k, head, n, state_.scratch.k(store + i, n_old + first));
    store_rows(b, qkv.v, head, n, state_.scratch.v(store + i, n_old + first));
  }
  const int64_t n_kv = n_old + first + n;
  if (keys_only_) {
    if (qkv.q != nullptr) blocks_.keep_queries(b, qkv.q, store * (qkv.q->ne[1] / count), first, n);
  } else if (tiles_) {
    attend_tiles(b, first, n, qkv, store, count, out);
  } else {
    attend_ggml(b, n_kv, qkv, store, count, out);
  }
}

void ReadAttention::attend_tiles(const GraphBuild& b, int64_t first, int64_t n, const Qkv& qkv,
                                 int32_t store, int32_t count, ggml_tensor* out) {
  const int64_t d = hp_.head_dim, n_group = qkv.q->ne[1] / count;
  for (int32_t i = 0; i < count; ++i) {
    RowsView keys = state_.scratch.keys(store + i), values = state_.scratch.values(store + i);
    keys.n_row = values.n_row = state_.scratch.n_old(store + i) + first + n;
    ggml_tensor* q = ggml_view_3d(b.ctx, qkv.q, d, n_group, qkv.q->ne[2], qkv.q->nb[1],
                                  qkv.q->nb[2], i * n_group * qkv.q->nb[1]);
    TileAttention::StoreHead head{keys, values, (store + i) * n_group, scale_.logits};
    if (blocks_.is_sparse()) head.selection = blocks_.select(b, store + i, first, n, q);
    if (state_.sums_columns) {
      head.column_sums = state_.column_sums.data() + head.first_head * state_.n_token;
      head.column_stride = state_.n_token;
    }
    tile_attention_.attend(b, head, q, out);
  }
}

void ReadAttention::attend_ggml(const GraphBuild& b, int64_t n_kv, const Qkv& qkv, int32_t store,
                                int32_t count, ggml_tensor* out) {
  const int64_t d = hp_.head_dim, n = qkv.q->ne[2], n_q = qkv.q->ne[1];
  const size_t row = d * sizeof(uint16_t);
  const size_t plane = (state_.scratch.n_old(store) + state_.n_token) * row;
  // One mask serves store heads with different numbers of old entries: its rows are aligned at
  // their end, and a head begins where its own entries do. ggml wants a mask that is contiguous
  // when the node is made, and then reads it by its strides.
  const int64_t width = static_cast<int64_t>(mask_.size()) / n;
  ggml_tensor* mask = b.wrap(GGML_TYPE_F16, mask_.data() + width - n_kv, n_kv, n);
  ggml_tensor* result = ggml_flash_attn_ext(
      b.ctx, ggml_permute(b.ctx, qkv.q, 0, 2, 1, 3),
      b.wrap_strided(GGML_TYPE_F16, state_.scratch.k(store, 0), d, n_kv, count, row, plane),
      b.wrap_strided(GGML_TYPE_F16, state_.scratch.v(store, 0), d, n_kv, count, row, plane), mask,
      scale_.logits, 0, 0);
  mask->nb[1] = width * sizeof(ggml_fp16_t);
  mask->nb[2] = mask->nb[3] = n * mask->nb[1];
  ggml_prec_set_acc(result, GGML_PREC_F32);
  float* to = static_cast<float*>(out->data) + store * n_q * d;
  b.expand(ggml_cpy(b.ctx, result,
                    b.wrap_strided(GGML_TYPE_F32, to, d, n_q, n, d * sizeof(float), out->nb[1])));
}

// Query first + i sees every old entry and the new ones 0 .. first + i.
void ReadAttention::begin_chunk(int64_t first, int64_t n) {
  if (tiles_) {
    if (!blocks_.is_sparse()) count_blocks(first, n);
    return;
  }
  count_blocks(first, n);
  const int64_t n_old = state_.scratch.max_old(), width = n_old + first + n;
  mask_.resize(n * width);
  const ggml_fp16_t hidden = ggml_fp32_to_fp16(-INFINITY);
  state_.compute.workers().for_each(n, [&](int64_t i, int) {
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
