#include "bench/layer/layer_chunk.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "bench/common/stats.h"
#include "core/clock.h"
#include "core/parallel.h"
#include "engine/chunks.h"
#include "engine/panel_ops.h"
#include "kernels/dispatch.h"

namespace restkv::bench {

LayerChunks::LayerChunks(const Model& model, Compute& compute, int64_t n_token)
    : model_(model),
      hp_(model.hparams()),
      compute_(compute),
      panels_(reads_in_panels(n_token, compute.kernels())),
      shape_{.n_head = hp_.n_head,
             .n_head_kv = hp_.n_head_kv,
             .head_dim = hp_.head_dim,
             .scale = model.attention_scale().logits},
      state_{.model = model, .compute = compute, .n_token = n_token},
      products_(compute.workers()) {
  state_.rotated = state_.raw = &no_log_;
}

Result<std::unique_ptr<LayerChunks>> LayerChunks::create(const Model& model, Compute& compute,
                                                         int64_t n_token, int64_t max_chunk) {
  std::unique_ptr<LayerChunks> layer(new LayerChunks(model, compute, n_token));
  RESTKV_RETURN_IF_ERROR(layer->allocate(max_chunk));
  parallel_for(compute.n_threads(), layer->shape_.n_head_kv, [&](int64_t h) {
    const auto store = static_cast<int32_t>(h);
    ReadScratch& scratch = layer->state_.scratch;
    structured_rows(layer->shape_, h, n_token, scratch.k(store, 0), scratch.v(store, 0));
  });
  return layer;
}

Status LayerChunks::allocate(int64_t max_chunk) {
  const auto meter = std::make_shared<KvMeter>();
  RESTKV_RETURN_IF_ERROR(state_.scratch.allocate(state_.n_token * hp_.n_head_kv, 0,
                                                 static_cast<int32_t>(hp_.head_dim), meter));
  state_.scratch.begin(static_cast<int32_t>(hp_.n_head_kv), state_.n_token);
  dense_ = std::make_unique<ReadAttention>(state_, ReadAttention::Options{.rounds = panels_});
  RESTKV_RETURN_IF_ERROR(dense_->allocate(state_.n_token, meter));
  const int64_t n_row = pad_panel_rows(max_chunk);
  queries_.resize(max_chunk * hp_.n_head * hp_.head_dim);
  hidden_.resize(n_row * hp_.n_embd * sizeof(float));
  attended_.resize(n_row * hp_.n_head * hp_.head_dim * sizeof(float));
  own_rows_.resize(2 * max_chunk * hp_.n_head_kv * hp_.head_dim);
  positions_.resize(max_chunk);
  return {};
}

Result<double> LayerChunks::timed(const Chunk& chunk,
                                  const std::function<void(const GraphBuild&)>& build) {
  std::iota(positions_.begin(), positions_.end(), static_cast<int32_t>(chunk.first));
  const size_t n_node =
      128 + 32 * size_t{hp_.n_head_kv} + products_.count_nodes(layer_weights(hp_));
  const double start = now_ms();
  RESTKV_RETURN_IF_ERROR(compute_.run(n_node, build));
  const double ms = now_ms() - start;
  RESTKV_RETURN_IF_ERROR(products_.take_status());
  return ms;
}

Result<double> LayerChunks::run(const Chunk& chunk, bool keys_only, const MakeAttention& attend) {
  return timed(chunk, [&](const GraphBuild& b) {
    const PanelOps panels(b, products_, chunk.n);
    const LayerOps& all = panels_ ? panels : ggml_ops();
    const UpToAttention start(all, false);
    const GraphContext g{b.ctx, hp_, keys_only ? start : all};
    const ggml_type type = panels_ ? GGML_TYPE_BF16 : GGML_TYPE_F32;
    ggml_tensor* x = b.wrap(type, hidden_.data(), hp_.n_embd, chunk.n);
    ggml_tensor* out = model_.family().layer(g, model_.layer(0), x,
                                             [&](const Qkv& raw) { return attend(b, raw); });
    if (!keys_only) b.expand(ggml_cpy(b.ctx, out, x));
  });
}

Result<double> LayerChunks::run_dense(const Chunk& chunk) {
  std::fill(hidden_.begin(), hidden_.end(), std::byte{0x3c});
  dense_->begin_chunk(chunk.first, chunk.n);
  return run(chunk, false, [&](const GraphBuild& b, const Qkv& raw) {
    return dense_->attend(b, chunk.first, chunk.n, raw);
  });
}

Status LayerChunks::begin(const PrefillAttention& attention) {
  state_.attention = attention;
  state_.blocks = {};
  blocks_ = std::make_unique<BlockChoice>(state_, sparse::kDenseTail);
  RESTKV_RETURN_IF_ERROR(blocks_->prepare());
  RESTKV_RETURN_IF_ERROR(tiles_.allocate(state_.n_token, hp_.head_dim, compute_.n_threads(),
                                         std::make_shared<KvMeter>()));
  blocks_->begin_layer();
  listed_.assign(hp_.n_head_kv, {});
  return {};
}

Result<double> LayerChunks::run_keys(const Chunk& chunk) {
  std::fill(hidden_.begin(), hidden_.end(), std::byte{0x3c});
  return run(chunk, true, [&](const GraphBuild& b, const Qkv& raw) {
    store_own(b, raw, chunk);
    return b.wrap(GGML_TYPE_F32, attended_.data(), int64_t{hp_.n_head} * hp_.head_dim, chunk.n);
  });
}

Result<double> LayerChunks::choose(const Chunk& last) {
  fill_queries(last);
  RESTKV_RETURN_IF_ERROR(timed(last, [&](const GraphBuild& b) {
                           blocks_->keep_queries(b, wrap_queries(b, last), 0, last.first, last.n);
                         }).status());
  const double start = now_ms();
  blocks_->choose();
  return now_ms() - start;
}

Result<double> LayerChunks::run_sparse(const Chunk& chunk, bool selects_only) {
  fill_queries(chunk);
  if (selects_only) return timed(chunk, [&](const GraphBuild& b) { select(b, chunk, nullptr); });
  std::fill(hidden_.begin(), hidden_.end(), std::byte{0x3c});
  return run(chunk, false, [&](const GraphBuild& b, const Qkv& raw) {
    store_own(b, raw, chunk);
    const ggml_type type = panels_ ? GGML_TYPE_BF16 : GGML_TYPE_F32;
    ggml_tensor* out = b.wrap(type, attended_.data(), int64_t{hp_.n_head} * hp_.head_dim,
                              panels_ ? pad_panel_rows(chunk.n) : chunk.n);
    select(b, chunk, out);
    return out;
  });
}

void LayerChunks::fill_queries(const Chunk& chunk) {
  const int64_t d = hp_.head_dim;
  parallel_for(compute_.n_threads(), shape_.n_head, [&](int64_t h) {
    structured_queries(shape_, h, chunk.first, chunk.n, queries_.data() + h * d, shape_.n_head * d);
  });
}

ggml_tensor* LayerChunks::wrap_queries(const GraphBuild& b, const Chunk& chunk) const {
  return b.wrap(GGML_TYPE_F32, queries_.data(), hp_.head_dim, hp_.n_head, chunk.n);
}

// Queries, keys and values that the model computes are turned and stored as in a reading, only not
// to where attention looks.
void LayerChunks::store_own(const GraphBuild& b, const Qkv& raw, const Chunk& chunk) {
  const GraphContext g{b.ctx, hp_};
  ggml_tensor* positions = b.wrap(GGML_TYPE_I32, positions_.data(), chunk.n);
  if (raw.q != nullptr) b.expand(model_.rope().apply(g, raw.q, positions));
  ggml_tensor* k = model_.rope().apply(g, raw.k, positions);
  const int64_t d = hp_.head_dim, n = chunk.n;
  ggml_fp16_t* to = own_rows_.data();
  for (ggml_tensor* t : {k, raw.v}) {
    for (int64_t h = 0; h < t->ne[1]; ++h, to += n * d) {
      b.expand(ggml_cpy(b.ctx, ggml_view_2d(b.ctx, t, d, n, t->nb[2], h * t->nb[1]),
                        b.wrap(GGML_TYPE_F16, to, d, n)));
    }
  }
}

void LayerChunks::select(const GraphBuild& b, const Chunk& chunk, ggml_tensor* out) {
  const int64_t d = hp_.head_dim, n_group = shape_.n_head / shape_.n_head_kv;
  ggml_tensor* all = wrap_queries(b, chunk);
  for (int32_t s = 0; s < state_.scratch.n_store(); ++s) {
    ggml_tensor* q = ggml_view_3d(b.ctx, all, d, n_group, chunk.n, all->nb[1], all->nb[2],
                                  s * n_group * all->nb[1]);
    RowsView keys = state_.scratch.keys(s), values = state_.scratch.values(s);
    keys.n_row = values.n_row = chunk.first + chunk.n;
    TileAttention::StoreHead head{keys, values, s * n_group, shape_.scale};
    head.selection = blocks_->select(b, s, chunk.first, chunk.n, q);
    if (out == nullptr) continue;
    keep_lists(b, s, head.selection, q);
    tiles_.attend(b, head, q, out);
  }
}

// The lists live as long as their graph.
void LayerChunks::keep_lists(const GraphBuild& b, int32_t store,
                             const kernels::BlockSelection& selection, ggml_tensor* q) {
  Listed& listed = listed_[store];
  const int64_t n_unit = q->ne[1] * sparse::n_blocks(q->ne[2]);
  listed.offsets.resize(n_unit + 1);
  listed.blocks.resize(n_unit * sparse::n_blocks(state_.n_token));
  b.expand(b.node(GGML_TYPE_I8, 1, 1, 1, std::array{q},
                  [&listed, selection, n_unit](ggml_tensor*, int thread, int) {
                    if (thread != 0) return;
                    std::copy_n(selection.offsets, n_unit + 1, listed.offsets.begin());
                    std::copy_n(selection.blocks, listed.offsets[n_unit], listed.blocks.begin());
                  }));
}

std::vector<double> LayerChunks::mass(const Chunk& chunk) const {
  constexpr int64_t kRows = 4;
  std::vector<int64_t> rows;
  const int64_t n_sparse = std::min(chunk.n, state_.n_token - sparse::kDenseTail - chunk.first);
  for (int64_t i = 0; i < kRows && n_sparse >= kRows; ++i)
    rows.push_back((2 * i + 1) * n_sparse / (2 * kRows));
  if (rows.empty()) return {};
  std::vector<double> sums(hp_.n_head, 0.0);
  parallel_for(compute_.n_threads(), hp_.n_head, [&](int64_t h) {
    std::vector<float> weights(kernels::round_up(chunk.first + chunk.n, kernels::kRowAlign));
    for (const int64_t row : rows)
      sums[h] += mass_of_row(h, chunk, row, weights.data()) / static_cast<double>(rows.size());
  });
  return sums;
}

double LayerChunks::mass_of_row(int64_t head, const Chunk& chunk, int64_t row,
                                float* weights) const {
  const int64_t d = hp_.head_dim, n_group = shape_.n_head / shape_.n_head_kv;
  const auto store = static_cast<int32_t>(head / n_group);
  RowsView keys = state_.scratch.keys(store);
  const int64_t n_visible = keys.n_row = chunk.first + row + 1;
  std::vector<float> scratch(kernels::scratch_floats(d));
  kernels::best_kernels().window_attention->attention_rows(
      {queries_.data() + (row * shape_.n_head + head) * d, 1, &n_visible, keys, shape_.scale,
       weights, kernels::round_up(n_visible, kernels::kRowAlign), scratch.data()});
  const Listed& listed = listed_[store];
  const int64_t unit = head % n_group * sparse::n_blocks(chunk.n) + row / sparse::kBlock;
  double mass = 0;
  for (int32_t i = listed.offsets[unit]; i < listed.offsets[unit + 1]; ++i) {
    const int64_t first = listed.blocks[i] * sparse::kBlock;
    for (int64_t j = first; j < std::min(first + sparse::kBlock, n_visible); ++j)
      mass += weights[j];
  }
  return mass;
}

}  // namespace restkv::bench
