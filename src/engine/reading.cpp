#include "engine/reading.h"

#include <algorithm>

#include "core/clock.h"
#include "engine/chunks.h"
#include "engine/finish_layer.h"
#include "engine/matvec_ops.h"
#include "engine/memory_plan.h"
#include "engine/observe.h"
#include "engine/panel_ops.h"
#include "engine/tile_column_sums.h"

namespace restkv {
namespace {

constexpr size_t kMaxHeadBytes = size_t{64} << 20;

std::vector<const CachePlan*> plans_of(const std::vector<Sequence*>& sequences) {
  std::vector<const CachePlan*> plans;
  for (const Sequence* sequence : sequences)
    plans.push_back(sequence->plan.get());
  return plans;
}

}  // namespace

Reading::Reading(const Model& model, Compute& compute, const ReadRequest& request,
                 std::vector<Sequence*> sequences, bool cuts)
    : model_(model),
      hp_(model.hparams()),
      compute_(compute),
      request_(request),
      sequences_(std::move(sequences)),
      cuts_(cuts),
      n_token_(static_cast<int64_t>(request.tokens.size())),
      panels_(reads_in_panels(n_token_, compute.kernels())),
      few_(compute.kernels() == Kernels::automatic && MatvecOps::available() &&
           n_token_ <= MatvecOps::kMaxVectors),
      chunk_(chunk_rows(hp_, n_token_, compute.kernels())),
      hidden_type_(panels_ ? GGML_TYPE_BF16 : GGML_TYPE_F32),
      fresh_(sequences_.empty() || sequences_[0]->cache.layers.empty()),
      state_{.model = model,
             .compute = compute,
             .n_token = n_token_,
             .n_before = sequences_.empty() ? 0 : sequences_[0]->n_seen(),
             .fresh = fresh_,
             .turns_to_index = !fresh_ && sequences_[0]->plan->rotates_when_read(),
             .stores_raw = any([](const CachePlan& plan) { return plan.rotates_when_read(); }),
             .sums_columns =
                 fresh_ && tiles_sum_columns(compute.kernels(), n_token_) &&
                 any([&](const CachePlan& plan) { return plan.sums_while_reading(n_token_); }),
             .attention = request.attention},
      products_(compute.workers()),
      attention_(state_, {.rounds = panels_, .n_tail = n_observed()}) {}

Result<ReadResult> Reading::run() {
  const double start = now_ms();
  RESTKV_RETURN_IF_ERROR(allocate());
  RESTKV_RETURN_IF_ERROR(embed());
  for (uint32_t l = 0; l < hp_.n_layer; ++l)
    RESTKV_RETURN_IF_ERROR(run_layer(l));
  state_.scratch = {};
  for (Sequence* sequence : sequences_) {
    sequence->cache.next_position += static_cast<int32_t>(n_token_);
    if (cuts_) sequence->n_decoded = 0;
  }
  RESTKV_RETURN_IF_ERROR(run_head());
  result_.total_ms = now_ms() - start;
  result_.blocks = state_.blocks;
  return std::move(result_);
}

Status Reading::allocate() {
  RESTKV_RETURN_IF_ERROR(allocate_scratch());
  hidden_.resize(n_token_ * ggml_row_size(hidden_type_, hp_.n_embd));
  state_.positions.resize(n_token_);
  for (int64_t i = 0; i < n_token_; ++i)
    state_.positions[i] = static_cast<int32_t>(state_.n_before + i);
  for (Sequence* sequence : sequences_)
    sequence->memory.resize(hp_.n_layer);
  return {};
}

Status Reading::allocate_scratch() {
  int64_t n_row = n_token_ * hp_.n_head_kv, n_store = hp_.n_head_kv, longest = 0;
  if (!fresh_) {
    n_store = sequences_[0]->cache.layers[0].n_head();
    for (const LayerCache& layer : sequences_[0]->cache.layers) {
      n_row = std::max(n_row, layer.n_entry() + n_token_ * n_store);
      longest = std::max<int64_t>(longest, layer.max_count());
    }
  }
  const std::vector<const CachePlan*> plans = plans_of(sequences_);
  const PlannedReading planned{n_token_, longest, compute_.kernels(), compute_.n_threads(),
                               request_.attention};
  RESTKV_RETURN_IF_ERROR(check_memory(plan_memory(hp_, planned, plans), n_token_));
  const std::shared_ptr<KvMeter> meter =
      sequences_.empty() ? std::make_shared<KvMeter>() : sequences_[0]->cache.meter;
  RESTKV_RETURN_IF_ERROR(state_.scratch.allocate(n_row, state_.stores_raw ? n_token_ * n_store : 0,
                                                 static_cast<int32_t>(hp_.head_dim), meter));
  RESTKV_RETURN_IF_ERROR(attention_.allocate(longest + n_token_, meter));
  if (!state_.turns_to_index) return {};
  return sequences_[0]->rope.grow(model_, compute_, longest + n_token_);
}

// The last queries that a policy looks at, now or at a later cut.
int64_t Reading::n_observed() const {
  int64_t n = 0;
  for (const Sequence* sequence : sequences_)
    n = std::max(n, sequence->plan->n_last_query());
  return n;
}

// End of the chunk that starts at `first`.
int64_t Reading::chunk_end(int64_t first) const {
  const int64_t end = std::min(first + chunk_, n_token_);
  return n_token_ - end < kMinChunk ? n_token_ : end;
}

Status Reading::embed() {
  for (int64_t first = 0; first < n_token_; first = chunk_end(first)) {
    const int64_t n = chunk_end(first) - first;
    RESTKV_RETURN_IF_ERROR(compute_.run(16, [&](const GraphBuild& b) {
      const GraphContext g{b.ctx, hp_};
      ggml_tensor* ids = b.wrap(GGML_TYPE_I32, request_.tokens.data() + first, n);
      b.expand(ggml_cpy(b.ctx, model_.embed(g, ids), hidden_rows(b, first, n)));
    }));
  }
  return {};
}

Status Reading::run_layer(uint32_t l) {
  begin_layer(l);
  const double summed = attention_.column_ms();
  if (attention_.looks_first()) RESTKV_RETURN_IF_ERROR(store_keys(l));
  for (int64_t first = 0; first < n_token_;) {
    const int64_t end = chunk_end(first);
    RESTKV_RETURN_IF_ERROR(run_chunk(l, first, end - first));
    first = end;
    if (request_.on_progress) {
      const double of_layer = static_cast<double>(first) / static_cast<double>(n_token_);
      request_.on_progress({static_cast<int32_t>(l), static_cast<int32_t>(hp_.n_layer), first,
                            n_token_, (l + of_layer) / hp_.n_layer});
    }
  }
  state_.rotated->commit(n_token_);
  state_.raw->commit(n_token_);
  RESTKV_RETURN_IF_ERROR(show_layer(l));
  const double start = now_ms();
  RESTKV_RETURN_IF_ERROR(finish_layer(l));
  const double column_ms = attention_.column_ms() - summed;
  result_.eviction_ms += now_ms() - start + column_ms;
  for (Sequence* sequence : sequences_) {
    if (state_.sums_columns && sequence->plan->sums_while_reading(n_token_))
      sequence->eviction_ms += column_ms;
  }
  return {};
}

Status Reading::show_layer(uint32_t l) const {
  if (!fresh_ || !request_.on_layer) return {};
  LayerRead layer{.layer = static_cast<int32_t>(l),
                  .n_head = hp_.n_head,
                  .scale = model_.attention_scale().logits,
                  .queries = state_.rotated->rows()};
  for (int32_t store = 0; store < state_.scratch.n_store(); ++store) {
    layer.keys.push_back(state_.scratch.keys(store));
    layer.values.push_back(state_.scratch.values(store));
  }
  return request_.on_layer(layer);
}

// Of all tokens, before any of them attends: sparse attention looks at them first.
Status Reading::store_keys(uint32_t l) {
  attention_.begin_keys();
  for (int64_t first = 0; first < n_token_; first = chunk_end(first))
    RESTKV_RETURN_IF_ERROR(run_chunk(l, first, chunk_end(first) - first));
  attention_.end_keys();
  return {};
}

void Reading::begin_layer(uint32_t l) {
  if (fresh_) {
    state_.scratch.begin(static_cast<int32_t>(hp_.n_head_kv), n_token_);
    fresh_rotated_ = shared_log(false);
    fresh_raw_ = shared_log(true);
    state_.rotated = &fresh_rotated_;
    state_.raw = &fresh_raw_;
  } else {
    Sequence& sequence = *sequences_[0];
    state_.scratch.begin(sequence.cache.layers[l], n_token_,
                         state_.turns_to_index ? &sequence.rope : nullptr);
    state_.rotated = &sequence.memory[l].rotated;
    state_.raw = &sequence.memory[l].raw;
  }
  if (fresh_) {
    fresh_scores_ = SharedScores(plans_of(sequences_));
    state_.scores = &fresh_scores_;
  }
  if (state_.sums_columns) state_.column_sums.assign(hp_.n_head * n_token_, 0.0);
  attention_.begin_layer();
  if (state_.rotated->keeps_any()) state_.rotated->make_room(n_token_);
  if (state_.raw->keeps_any()) state_.raw->make_room(n_token_);
}

// A log that serves all plans of a first prompt: what any of them looks at now or later.
QueryLog Reading::shared_log(bool raw) const {
  int64_t n_last = 0;
  bool all = !raw && request_.on_layer;
  for (const Sequence* sequence : sequences_) {
    const CachePlan& plan = *sequence->plan;
    if (!plan.repeats() && !plan.evicts(n_seen())) continue;
    const QueryLog now = raw ? raw_log(plan, hp_, true) : rotated_log(plan, hp_, true);
    const QueryLog later = raw ? raw_log(plan, hp_, false) : rotated_log(plan, hp_, false);
    for (const QueryLog* log : {&now, plan.repeats() ? &later : &now}) {
      n_last = std::max(n_last, log->n_last());
      const bool summed = state_.sums_columns && plan.sums_while_reading(n_token_);
      all = all || (summed ? raw && plan.needs(Statistic::query_moments) : log->keeps_all_since());
    }
  }
  return QueryLog(hp_.n_head, hp_.head_dim, n_last, all);
}

Status Reading::run_chunk(uint32_t l, int64_t first, int64_t n) {
  attention_.begin_chunk(first, n);
  const size_t n_node = 128 + attention_.count_nodes() + products_.count_nodes(layer_weights(hp_));
  RESTKV_RETURN_IF_ERROR(compute_.run(n_node, [&](const GraphBuild& b) {
    const PanelOps panels(b, products_, n);
    const MatvecOps few(b, n);
    const LayerOps& all = panels_ ? panels : few_ ? few : ggml_ops();
    const UpToAttention start(all, attention_.wants_queries(first, n));
    const bool keys_only = attention_.stores_only();
    const GraphContext g{b.ctx, hp_, keys_only ? start : all};
    ggml_tensor* x = hidden_rows(b, first, n);
    const Attend attend = [&](const Qkv& qkv) { return attention_.attend(b, first, n, qkv); };
    ggml_tensor* out = model_.family().layer(g, model_.layer(l), x, attend);
    if (!keys_only) b.expand(ggml_cpy(b.ctx, out, x));
  }));
  return products_.take_status();
}

// What is read of layer l becomes part of every sequence's cache, cut where it is time.
Status Reading::finish_layer(uint32_t l) {
  QueryMoments fresh_moments;
  QueryMoments* moments = fresh_ ? &fresh_moments : &sequences_[0]->memory[l].moments;
  const bool folds = any([&](const CachePlan& p) {
    return p.needs(Statistic::query_moments) && (p.repeats() || p.evicts(n_seen()));
  });
  const double folding = now_ms();
  if (folds && state_.raw->keeps_any()) {
    fold_moments(*state_.raw, n_seen(), model_.attention_scale().queries, hp_, compute_.workers(),
                 moments);
  }
  const double folding_ms = now_ms() - folding;
  touched_ = true;
  for (Sequence* sequence : sequences_) {
    const double start = now_ms();
    RESTKV_RETURN_IF_ERROR(restkv::finish_layer(state_, l, cuts_, *moments, sequence));
    sequence->eviction_ms += now_ms() - start;
    if (sequence->plan->needs(Statistic::query_moments)) sequence->eviction_ms += folding_ms;
    if (fresh_ && folds && sequence->plan->repeats()) sequence->memory[l].moments = *moments;
  }
  return {};
}

Status Reading::run_head() {
  if (!request_.on_logits) {
    return head_rows(n_token_ - 1, 1, &result_.last_logits);
  }
  const int64_t at_once = std::clamp<int64_t>(
      static_cast<int64_t>(kMaxHeadBytes / (size_t{hp_.n_vocab} * sizeof(float))), kMinChunk,
      chunk_);
  std::vector<float> logits;
  for (int64_t first = 0; first < n_token_; first += at_once) {
    const int64_t n = std::min(at_once, n_token_ - first);
    RESTKV_RETURN_IF_ERROR(head_rows(first, n, &logits));
    RESTKV_RETURN_IF_ERROR(request_.on_logits(first, {logits.data(), {n, hp_.n_vocab}}));
  }
  result_.last_logits.assign(logits.end() - hp_.n_vocab, logits.end());
  return {};
}

Status Reading::head_rows(int64_t first, int64_t n, std::vector<float>* logits) {
  logits->resize(n * hp_.n_vocab);
  const size_t n_node = 32 + products_.count_nodes(int64_t{hp_.n_vocab} * hp_.n_embd);
  RESTKV_RETURN_IF_ERROR(compute_.run(n_node, [&](const GraphBuild& b) {
    const MatvecOps few(b, n);
    const PanelOps panels(b, products_, n);
    const bool own = compute_.kernels() == Kernels::automatic && MatvecOps::available();
    const bool is_few = own && n <= MatvecOps::kMaxVectors;
    const LayerOps& ops = is_few ? few : panels_ ? panels : ggml_ops();
    const GraphContext g{b.ctx, hp_, ops};
    ggml_tensor* x = hidden_rows(b, first, n);
    if (x->type != GGML_TYPE_F32 && &ops != &panels) x = ggml_cast(b.ctx, x, GGML_TYPE_F32);
    ggml_tensor* rows = model_.head(g, x);
    b.expand(ggml_cpy(b.ctx, rows, b.wrap(GGML_TYPE_F32, logits->data(), hp_.n_vocab, n)));
  }));
  RESTKV_RETURN_IF_ERROR(products_.take_status());
  return check_logits(model_, *logits);
}

ggml_tensor* Reading::hidden_rows(const GraphBuild& b, int64_t first, int64_t n) {
  return b.wrap(hidden_type_, hidden_.data() + first * ggml_row_size(hidden_type_, hp_.n_embd),
                hp_.n_embd, n);
}

}  // namespace restkv
