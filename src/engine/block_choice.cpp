#include "engine/block_choice.h"

#include <algorithm>
#include <array>
#include <atomic>

#include "sparse/pooled_rows.h"
#include "sparse/select.h"

namespace restkv {

// What a graph's node fills in for the query heads of one store head.
struct BlockChoice::Lists {
  int32_t store = 0;
  int64_t first_head = 0, n_head = 0;
  sparse::QuerySpan span;
  int64_t n_block_left = 0;
  std::vector<uint8_t> masks;    // [n_head][n_query_block][n_key_block]
  std::vector<int32_t> offsets;  // [n_head * n_query_block + 1]
  std::vector<int32_t> blocks;
  std::atomic<int64_t> next{0};

  int64_t mask_size() const { return span.n_query_block() * span.n_key_block(); }
};

BlockChoice::BlockChoice(ReadState& state, int64_t n_tail)
    : state_(state), hp_(state.model.hparams()), n_tail_(std::max(n_tail, sparse::kBlock)) {}

Status BlockChoice::prepare() {
  RESTKV_ASSIGN_OR_RETURN(pattern_, sparse::make_pattern(state_.attention));
  if (!is_sparse()) return {};
  n_last_ = std::min(pattern_->n_last_query(), state_.n_token);
  last_.resize(int64_t{hp_.n_head} * n_last_ * hp_.head_dim);
  scratch_.resize(state_.compute.n_threads());
  return {};
}

size_t BlockChoice::work_bytes(const HParams& hp, int64_t n_row, int64_t chunk, int n_threads) {
  // Rows of softmax that a pattern looks at together.
  constexpr int64_t kRowsAtOnce = 32;
  const int64_t n_key_block = sparse::n_blocks(n_row);
  const int64_t n_list = hp.n_head * (sparse::n_blocks(chunk) + 1) * n_key_block;
  const int64_t n_float = hp.n_head * sparse::kBlock * hp.head_dim +
                          hp.n_head_kv * sparse::n_pooled(n_row) * hp.head_dim +
                          n_threads * kRowsAtOnce * n_row;
  return n_list * (sizeof(uint8_t) + sizeof(int32_t)) + n_float * sizeof(float);
}

bool BlockChoice::looks_first() const {
  return is_sparse() && (pattern_->n_last_query() > 0 || pattern_->pools());
}

void BlockChoice::begin_layer() {
  if (!is_sparse()) return;
  chosen_.assign(hp_.n_head, {});
  covered_.assign(hp_.n_head, {});
  pooled_.assign(state_.scratch.n_store(), {});
  if (!looks_first()) choose();  // nothing that is read later matters
}

void BlockChoice::keep_queries(const GraphBuild& b, ggml_tensor* q, int64_t first_head,
                               int64_t first, int64_t n) {
  const int64_t d = q->ne[0], n_head = q->ne[1];
  const int64_t from = std::max(first, state_.n_token - n_last_);
  const int64_t n_row = first + n - from;
  if (n_row <= 0) return;
  ggml_tensor* rows =
      ggml_view_3d(b.ctx, q, d, n_head, n_row, q->nb[1], q->nb[2], (from - first) * q->nb[2]);
  float* to = last_.data() + (first_head * n_last_ + from - (state_.n_token - n_last_)) * d;
  b.expand(ggml_cpy(b.ctx, ggml_permute(b.ctx, rows, 0, 2, 1, 3),
                    b.wrap_strided(GGML_TYPE_F32, to, d, n_row, n_head, d * sizeof(float),
                                   n_last_ * d * sizeof(float))));
}

sparse::HeadObservation BlockChoice::observe(int64_t head) const {
  const auto store = static_cast<int32_t>(head / (hp_.n_head / state_.scratch.n_store()));
  const RowsView keys = state_.scratch.keys(store);
  const int64_t d = hp_.head_dim;
  return {
      .queries = last_.data() + head * n_last_ * d,
      .n_query = n_last_,
      .query_stride = d,
      .keys = keys,
      .pooled_keys = {pooled_[store].data(), ElementType::f32, sparse::n_pooled(keys.n_row), d, d},
      .scale = state_.model.attention_scale().logits};
}

void BlockChoice::pool(int32_t store) {
  const RowsView keys = state_.scratch.keys(store);
  const int64_t n = sparse::n_pooled(keys.n_row);
  pooled_[store].resize(n * hp_.head_dim);
  sparse::pool_rows(keys, 0, n, pooled_[store].data());
}

void BlockChoice::choose() {
  Workers& workers = state_.compute.workers();
  state_.compute.together([&] {
    if (pattern_->pools()) {
      workers.for_each(state_.scratch.n_store(),
                       [&](int64_t s, int) { pool(static_cast<int32_t>(s)); });
    }
    workers.for_each(hp_.n_head,
                     [&](int64_t h, int) { chosen_[h] = pattern_->choose(observe(h)); });
  });
}

kernels::BlockSelection BlockChoice::select(const GraphBuild& b, int32_t store, int64_t first,
                                            int64_t n, ggml_tensor* q) {
  const int64_t n_old = state_.scratch.n_old(store), n_left = state_.n_token - first - n;
  auto lists = std::make_shared<Lists>();
  lists->store = store;
  lists->n_head = hp_.n_head / state_.scratch.n_store();
  lists->first_head = store * lists->n_head;
  lists->span = {.n_query = n,
                 .n_key = n_old + first + n,
                 .n_cached = n_old,
                 .n_dense = sparse::n_dense_queries(first, n, state_.n_token, n_tail_)};
  lists->n_block_left = sparse::n_blocks(n_left);
  const int64_t n_row = lists->n_head * lists->span.n_query_block();
  lists->masks.resize(lists->n_head * lists->mask_size());
  lists->offsets.resize(n_row + 1);
  lists->blocks.resize(n_row * lists->span.n_key_block());
  for (auto& scratch : scratch_) {
    const auto size = static_cast<size_t>(
        pattern_->pools() ? sparse::select_scratch(lists->span, hp_.head_dim) : 0);
    if (scratch.size() < size) scratch.resize(size);
  }
  b.expand(b.node(GGML_TYPE_I8, 1, 1, 1, std::array{q}, [=, this](ggml_tensor*, int thread, int) {
    for (int64_t i; (i = lists->next++) < lists->n_head;)
      select_head(*lists, i, q, scratch_[thread].data());
  }));
  b.expand(b.node(GGML_TYPE_I8, 1, 1, 1, std::array{q}, [=, this](ggml_tensor*, int thread, int) {
    if (thread != 0) return;
    const int64_t computed = sparse::list_blocks(lists->masks, n_row, lists->span.n_key_block(),
                                                 lists->offsets.data(), lists->blocks.data());
    state_.blocks += {computed, lists->n_head * sparse::count_causal(lists->span)};
  }));
  b.keep(lists);
  return {lists->offsets.data(), lists->blocks.data()};
}

void BlockChoice::select_head(Lists& lists, int64_t i, const ggml_tensor* q, float* scratch) {
  const int64_t head = lists.first_head + i;
  const auto* rows =
      reinterpret_cast<const float*>(static_cast<const std::byte*>(q->data) + i * q->nb[1]);
  sparse::select_blocks({.pattern = &chosen_[head],
                         .span = lists.span,
                         .mask = lists.masks.data() + i * lists.mask_size(),
                         .queries = rows,
                         .query_stride = static_cast<int64_t>(q->nb[2] / sizeof(float)),
                         .pooled_keys = observe(head).pooled_keys,
                         .scale = state_.model.attention_scale().logits,
                         .n_block_left = lists.n_block_left,
                         .covered = &covered_[head],
                         .scratch = scratch});
}

}  // namespace restkv
