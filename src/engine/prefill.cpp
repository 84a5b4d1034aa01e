#include "engine/prefill.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "core/parallel.h"
#include "engine/evict.h"
#include "engine/memory_plan.h"
#include "engine/observe.h"
#include "engine/scratch.h"

namespace restkv {
namespace {

constexpr size_t kMaxHeadBytes = size_t{64} << 20;

double now_ms() {
  using namespace std::chrono;
  return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

// End of the chunk that starts at `first`.
int64_t chunk_end(int64_t first, int64_t n_token) {
  const int64_t end = std::min(first + kChunk, n_token);
  return n_token - end < kMinChunk ? n_token : end;
}

// One reading, of sequences that are all empty or of a single one.
class Reading {
 public:
  Reading(const Model& model, Compute& compute, const ReadRequest& request,
          std::vector<Sequence*> sequences, bool cuts)
      : model_(model),
        hp_(model.hparams()),
        compute_(compute),
        request_(request),
        sequences_(std::move(sequences)),
        cuts_(cuts),
        n_token_(static_cast<int64_t>(request.tokens.size())),
        fresh_(sequences_.empty() || sequences_[0]->cache.layers.empty()),
        n_before_(sequences_.empty() ? 0 : sequences_[0]->n_seen()),
        turns_to_index_(!fresh_ && sequences_[0]->plan->rotates_when_read()),
        scale_(model.attention_scale()) {}

  // Whether a cache has been changed, for good or, after an error, half-way.
  bool touched() const { return touched_; }

  Result<ReadResult> run() {
    const double start = now_ms();
    RESTKV_RETURN_IF_ERROR(allocate());
    RESTKV_RETURN_IF_ERROR(embed());
    for (uint32_t l = 0; l < hp_.n_layer; ++l)
      RESTKV_RETURN_IF_ERROR(run_layer(l));
    scratch_ = {};
    for (Sequence* sequence : sequences_) {
      sequence->cache.next_position += static_cast<int32_t>(n_token_);
      if (cuts_) sequence->n_decoded = 0;
    }
    RESTKV_RETURN_IF_ERROR(run_head());
    result_.total_ms = now_ms() - start;
    return std::move(result_);
  }

 private:
  Status allocate() {
    RESTKV_RETURN_IF_ERROR(allocate_scratch());
    hidden_.resize(n_token_ * hp_.n_embd);
    positions_.resize(n_token_);
    for (int64_t i = 0; i < n_token_; ++i)
      positions_[i] = static_cast<int32_t>(n_before_ + i);
    for (Sequence* sequence : sequences_)
      sequence->memory.resize(hp_.n_layer);
    return {};
  }

  Status allocate_scratch() {
    int64_t n_row = n_token_ * hp_.n_head_kv, n_store = hp_.n_head_kv, longest = 0;
    if (!fresh_) {
      n_store = sequences_[0]->cache.layers[0].n_head();
      for (const LayerCache& layer : sequences_[0]->cache.layers) {
        n_row = std::max(n_row, layer.n_entry() + n_token_ * n_store);
        longest = std::max<int64_t>(longest, layer.max_count());
      }
    }
    std::vector<const CachePlan*> plans;
    for (const Sequence* sequence : sequences_)
      plans.push_back(sequence->plan.get());
    RESTKV_RETURN_IF_ERROR(check_memory(plan_memory(hp_, n_token_, longest, plans), n_token_));
    stores_raw_ = any([](const CachePlan& plan) { return plan.rotates_when_read(); });
    const std::shared_ptr<KvMeter> meter =
        sequences_.empty() ? std::make_shared<KvMeter>() : sequences_[0]->cache.meter;
    RESTKV_RETURN_IF_ERROR(scratch_.allocate(n_row, stores_raw_ ? n_token_ * n_store : 0,
                                             static_cast<int32_t>(hp_.head_dim), meter));
    mask_.resize((longest + n_token_) * std::min(n_token_, kMaxChunk));
    if (!turns_to_index_) return {};
    return sequences_[0]->rope.grow(model_, compute_, longest + n_token_);
  }

  template <typename Test>
  bool any(const Test& test) const {
    return std::ranges::any_of(sequences_, [&](const Sequence* s) { return test(*s->plan); });
  }

  int64_t n_seen() const { return n_before_ + n_token_; }

  Status embed() {
    for (int64_t first = 0; first < n_token_; first = chunk_end(first, n_token_)) {
      const int64_t n = chunk_end(first, n_token_) - first;
      RESTKV_RETURN_IF_ERROR(compute_.run(16, [&](const GraphBuild& b) {
        const GraphContext g{b.ctx, hp_};
        ggml_tensor* ids = b.wrap(GGML_TYPE_I32, request_.tokens.data() + first, n);
        b.expand(ggml_cpy(b.ctx, model_.embed(g, ids), hidden_rows(b, first, n)));
      }));
    }
    return {};
  }

  Status run_layer(uint32_t l) {
    begin_layer(l);
    for (int64_t first = 0; first < n_token_;) {
      const int64_t end = chunk_end(first, n_token_);
      RESTKV_RETURN_IF_ERROR(run_chunk(l, first, end - first));
      first = end;
      if (request_.on_progress) {
        const double of_layer = static_cast<double>(first) / static_cast<double>(n_token_);
        request_.on_progress({static_cast<int32_t>(l), static_cast<int32_t>(hp_.n_layer), first,
                              n_token_, (l + of_layer) / hp_.n_layer});
      }
    }
    rotated_->commit(n_token_);
    raw_->commit(n_token_);
    const double start = now_ms();
    RESTKV_RETURN_IF_ERROR(finish_layer(l));
    result_.eviction_ms += now_ms() - start;
    return {};
  }

  void begin_layer(uint32_t l) {
    if (fresh_) {
      scratch_.begin(static_cast<int32_t>(hp_.n_head_kv), n_token_);
      fresh_rotated_ = shared_log(false);
      fresh_raw_ = shared_log(true);
      rotated_ = &fresh_rotated_;
      raw_ = &fresh_raw_;
    } else {
      Sequence& sequence = *sequences_[0];
      scratch_.begin(sequence.cache.layers[l], n_token_,
                     turns_to_index_ ? &sequence.rope : nullptr);
      rotated_ = &sequence.memory[l].rotated;
      raw_ = &sequence.memory[l].raw;
    }
    if (rotated_->keeps_any()) rotated_->make_room(n_token_);
    if (raw_->keeps_any()) raw_->make_room(n_token_);
  }

  // A log that serves all plans of a first prompt: what any of them looks at now or later.
  QueryLog shared_log(bool raw) const {
    int64_t n_last = 0;
    bool all = false;
    for (const Sequence* sequence : sequences_) {
      const CachePlan& plan = *sequence->plan;
      if (!plan.repeats() && !plan.evicts(n_seen())) continue;
      const QueryLog now = raw ? raw_log(plan, hp_, true) : rotated_log(plan, hp_, true);
      const QueryLog later = raw ? raw_log(plan, hp_, false) : rotated_log(plan, hp_, false);
      for (const QueryLog* log : {&now, plan.repeats() ? &later : &now}) {
        n_last = std::max(n_last, log->n_last());
        all = all || log->keeps_all_since();
      }
    }
    return QueryLog(hp_.n_head, hp_.head_dim, n_last, all);
  }

  Status run_chunk(uint32_t l, int64_t first, int64_t n) {
    fill_mask(first, n);
    return compute_.run(256 + 32 * scratch_.n_store(), [&](const GraphBuild& b) {
      const GraphContext g{b.ctx, hp_};
      ggml_tensor* x = hidden_rows(b, first, n);
      const Attend attend = [&](const Qkv& qkv) { return this->attend(b, first, n, qkv); };
      ggml_tensor* out = model_.family().layer(g, model_.layer(l), x, attend);
      b.expand(ggml_cpy(b.ctx, out, x));
    });
  }

  ggml_tensor* attend(const GraphBuild& b, int64_t first, int64_t n, const Qkv& raw) {
    if (raw_->keeps_any()) write_queries(b, raw_, raw.q, first, n);
    if (stores_raw_) store_raw_keys(b, raw.k, first, n);
    attended_.resize(n * hp_.n_head * hp_.head_dim);
    const bool same_positions = !turns_to_index_ || scratch_.is_uniform();
    if (!same_positions) {
      index_.resize(scratch_.n_store() * n);
      for (int32_t s = 0; s < scratch_.n_store(); ++s)
        attend_store(b, first, n, rotate_part(b, raw, s, first, n), s, 1);
      return attended(b, n);
    }
    const GraphContext g{b.ctx, hp_};
    const int64_t base = turns_to_index_ ? scratch_.n_old(0) : n_before_;
    index_.resize(n);
    for (int64_t i = 0; i < n; ++i)
      index_[i] = static_cast<int32_t>(base + first + i);
    const Qkv qkv = rotate(g, raw, b.wrap(GGML_TYPE_I32, index_.data(), n));
    if (rotated_->keeps_any()) write_queries(b, rotated_, qkv.q, first, n);
    if (scratch_.is_uniform()) return attend_store(b, first, n, qkv, 0, scratch_.n_store());
    for (int32_t s = 0; s < scratch_.n_store(); ++s)
      attend_store(b, first, n, part(b, qkv, s), s, 1);
    return attended(b, n);
  }

  Qkv rotate(const GraphContext& g, const Qkv& raw, ggml_tensor* positions) const {
    const Rope rope = model_.rope();
    ggml_tensor* q = rope.apply(g, raw.q, positions);
    if (scale_.queries != 1.0f) q = ggml_scale(g.ctx, q, scale_.queries);
    return {q, rope.apply(g, raw.k, positions), raw.v};
  }

  // The query heads and the KV head of one store head.
  Qkv part(const GraphBuild& b, const Qkv& qkv, int32_t store) const {
    const int64_t n_group = hp_.n_head / scratch_.n_store();
    const auto heads = [&](ggml_tensor* t, int64_t first, int64_t count) {
      return ggml_view_3d(b.ctx, t, t->ne[0], count, t->ne[2], t->nb[1], t->nb[2],
                          first * t->nb[1]);
    };
    const int64_t kv = kv_head(store);
    return {heads(qkv.q, store * n_group, n_group), heads(qkv.k, kv, 1), heads(qkv.v, kv, 1)};
  }

  // The same, turned to where this store head's entries end.
  Qkv rotate_part(const GraphBuild& b, const Qkv& raw, int32_t store, int64_t first, int64_t n) {
    int32_t* index = index_.data() + store * n;
    for (int64_t i = 0; i < n; ++i)
      index[i] = static_cast<int32_t>(scratch_.n_old(store) + first + i);
    return rotate({b.ctx, hp_}, part(b, raw, store), b.wrap(GGML_TYPE_I32, index, n));
  }

  int64_t kv_head(int32_t store) const {
    return store / (scratch_.n_store() / static_cast<int64_t>(hp_.n_head_kv));
  }

  // Rows of head `from_head` of t [n][..][head_dim] to `to` [n][head_dim] f16.
  void store_rows(const GraphBuild& b, ggml_tensor* t, int64_t from_head, int64_t n, uint16_t* to) {
    ggml_tensor* rows =
        ggml_view_2d(b.ctx, t, t->ne[0], n, t->nb[2], static_cast<size_t>(from_head) * t->nb[1]);
    b.expand(ggml_cpy(b.ctx, rows, b.wrap(GGML_TYPE_F16, to, t->ne[0], n)));
  }

  void store_raw_keys(const GraphBuild& b, ggml_tensor* k, int64_t first, int64_t n) {
    for (int32_t s = 0; s < scratch_.n_store(); ++s)
      store_rows(b, k, kv_head(s), n, scratch_.raw_k(s, first));
  }

  // Stores the new rows of store heads store .. store + count, which hold the same number of
  // entries, and attends. qkv is of these heads alone. Returns [n][n_q * head_dim]; a part of the
  // heads goes to attended_ instead.
  ggml_tensor* attend_store(const GraphBuild& b, int64_t first, int64_t n, const Qkv& qkv,
                            int32_t store, int32_t count) {
    const int64_t d = hp_.head_dim, n_old = scratch_.n_old(store), n_kv = n_old + first + n;
    const int64_t per_kv = count / qkv.k->ne[1];
    for (int32_t i = 0; i < count; ++i) {
      const int64_t head = i / std::max<int64_t>(per_kv, 1);
      store_rows(b, qkv.k, head, n, scratch_.k(store + i, n_old + first));
      store_rows(b, qkv.v, head, n, scratch_.v(store + i, n_old + first));
    }
    const size_t row = d * sizeof(uint16_t), plane = (n_old + n_token_) * row;
    // One mask serves store heads with different numbers of old entries: its rows are aligned at
    // their end, and a head begins where its own entries do. ggml wants a mask that is contiguous
    // when the node is made, and then reads it by its strides.
    const int64_t width = scratch_.max_old() + first + n;
    ggml_tensor* mask = b.wrap(GGML_TYPE_F16, mask_.data() + width - n_kv, n_kv, n);
    ggml_tensor* out = ggml_flash_attn_ext(
        b.ctx, ggml_permute(b.ctx, qkv.q, 0, 2, 1, 3),
        b.wrap_strided(GGML_TYPE_F16, scratch_.k(store, 0), d, n_kv, count, row, plane),
        b.wrap_strided(GGML_TYPE_F16, scratch_.v(store, 0), d, n_kv, count, row, plane), mask,
        scale_.logits, 0, 0);
    mask->nb[1] = width * sizeof(ggml_fp16_t);
    mask->nb[2] = mask->nb[3] = n * mask->nb[1];
    ggml_prec_set_acc(out, GGML_PREC_F32);
    if (count == scratch_.n_store()) return ggml_reshape_2d(b.ctx, out, d * hp_.n_head, n);
    const int64_t n_q = qkv.q->ne[1];
    const size_t all = hp_.n_head * d * sizeof(float);
    b.expand(ggml_cpy(b.ctx, out,
                      b.wrap_strided(GGML_TYPE_F32, attended_.data() + store * n_q * d, d, n_q, n,
                                     d * sizeof(float), all)));
    return nullptr;
  }

  ggml_tensor* attended(const GraphBuild& b, int64_t n) const {
    return b.wrap(GGML_TYPE_F32, attended_.data(), int64_t{hp_.n_head} * hp_.head_dim, n);
  }

  // Query first + i sees every old entry and the new ones 0 .. first + i.
  void fill_mask(int64_t first, int64_t n) {
    const int64_t n_old = scratch_.max_old(), width = n_old + first + n;
    const ggml_fp16_t hidden = ggml_fp32_to_fp16(-INFINITY);
    parallel_for(compute_.n_threads(), n, [&](int64_t i) {
      ggml_fp16_t* row = mask_.data() + i * width;
      const int64_t n_visible = n_old + first + i + 1;
      std::memset(row, 0, n_visible * sizeof(ggml_fp16_t));
      std::fill(row + n_visible, row + width, hidden);
    });
  }

  // Writes those of the queries first .. first + n, q [n][n_head][head_dim], that the log keeps.
  void write_queries(const GraphBuild& b, QueryLog* log, ggml_tensor* q, int64_t first, int64_t n) {
    const int64_t d = hp_.head_dim;
    const int64_t from = std::max(first, log->first_kept(n_token_));
    const int64_t n_row = first + n - from;
    if (n_row <= 0) return;
    ggml_tensor* rows =
        ggml_view_3d(b.ctx, q, d, hp_.n_head, n_row, q->nb[1], q->nb[2], (from - first) * q->nb[2]);
    const size_t head = log->head_stride() * sizeof(float);
    b.expand(ggml_cpy(
        b.ctx, ggml_permute(b.ctx, rows, 0, 2, 1, 3),
        b.wrap_strided(GGML_TYPE_F32, log->slot(from), d, n_row, hp_.n_head, d * sizeof(float),
                       head)));
  }

  // What is read of layer l becomes part of every sequence's cache, cut where it is time.
  Status finish_layer(uint32_t l) {
    QueryMoments fresh_moments;
    QueryMoments* moments = fresh_ ? &fresh_moments : &sequences_[0]->memory[l].moments;
    const bool folds = any([](const CachePlan& p) { return p.needs(Statistic::query_moments); });
    const double folding = now_ms();
    if (folds && raw_->keeps_any()) {
      fold_moments(*raw_, n_seen(), scale_.queries, hp_, compute_.n_threads(), moments);
    }
    const double folding_ms = now_ms() - folding;
    touched_ = true;
    for (Sequence* sequence : sequences_) {
      const double start = now_ms();
      RESTKV_RETURN_IF_ERROR(finish_sequence(l, *moments, sequence));
      sequence->eviction_ms += now_ms() - start;
      if (sequence->plan->needs(Statistic::query_moments)) sequence->eviction_ms += folding_ms;
      if (fresh_ && folds && sequence->plan->repeats()) sequence->memory[l].moments = *moments;
    }
    return {};
  }

  Status finish_sequence(uint32_t l, const QueryMoments& moments, Sequence* sequence) {
    const CachePlan& plan = *sequence->plan;
    LayerMemory& memory = sequence->memory[l];
    const bool cut = cuts_ && plan.evicts(n_seen());
    std::vector<std::vector<int32_t>> positions = entry_positions(l, *sequence);
    LayerChoice choice;
    if (cut) {
      RESTKV_ASSIGN_OR_RETURN(choice, choose(l, positions, moments, sequence));
      memory.entry_state = std::move(choice.entry_state);
    } else {
      keep_all(plan, &choice);
    }
    RESTKV_ASSIGN_OR_RETURN(LayerCache compacted, compact(l, choice, positions, *sequence));
    if (fresh_) {
      sequence->cache.layers.push_back(std::move(compacted));
    } else {
      sequence->cache.layers[l] = std::move(compacted);
    }
    remember(plan, cut, &memory);
    return {};
  }

  // [n_store] original positions of all entries; the heads of a first prompt share one list.
  std::vector<std::vector<int32_t>> entry_positions(uint32_t l, const Sequence& sequence) const {
    if (fresh_) return {positions_};
    std::vector<std::vector<int32_t>> positions(scratch_.n_store());
    for (int32_t s = 0; s < scratch_.n_store(); ++s) {
      const auto old = sequence.cache.layers[l].positions(s);
      positions[s].assign(old.begin(), old.end());
      positions[s].insert(positions[s].end(), positions_.begin(), positions_.end());
    }
    return positions;
  }

  void keep_all(const CachePlan& plan, LayerChoice* choice) const {
    const int32_t n_cached = fresh_ ? plan.n_cached_head(hp_) : scratch_.n_store();
    const int32_t per_store = n_cached / scratch_.n_store();
    choice->kept.resize(n_cached);
    for (int32_t c = 0; c < n_cached; ++c) {
      choice->kept[c].resize(scratch_.n_old(c / per_store) + n_token_);
      for (size_t i = 0; i < choice->kept[c].size(); ++i)
        choice->kept[c][i] = static_cast<int32_t>(i);
    }
  }

  Result<LayerChoice> choose(uint32_t l, const std::vector<std::vector<int32_t>>& positions,
                             const QueryMoments& moments, Sequence* sequence) {
    LayerView view;
    for (int32_t store = 0; store < scratch_.n_store(); ++store) {
      view.keys.push_back(scratch_.keys(store));
      view.values.push_back(scratch_.values(store));
      view.positions.push_back(positions[fresh_ ? 0 : store]);
    }
    LayerStatistics statistics;
    const LayerStatistics::Source source{.layer = static_cast<int32_t>(l),
                                         .n_seen = n_seen(),
                                         .log = turns_to_index_ ? raw_ : rotated_,
                                         .by_index = turns_to_index_,
                                         .moments = &moments};
    RESTKV_RETURN_IF_ERROR(statistics.fill(model_, compute_, source, sequence, &view));
    return choose_entries(*sequence->plan, view, compute_.n_threads());
  }

  // The kept entries as a layer of the cache: old ones as they are stored there, new ones from the
  // scratch.
  Result<LayerCache> compact(uint32_t l, const LayerChoice& choice,
                             const std::vector<std::vector<int32_t>>& positions,
                             const Sequence& sequence) const {
    const CachePlan& plan = *sequence.plan;
    const bool counts_decoded = plan.schedule.kind == Schedule::Kind::decode && plan.repeats();
    const int64_t room = counts_decoded ? plan.schedule.every : 0;
    std::vector<int32_t> capacity;
    for (const auto& entries : choice.kept)
      capacity.push_back(static_cast<int32_t>(entries.size() + room));
    RESTKV_ASSIGN_OR_RETURN(
        LayerCache cache, LayerCache::allocate(capacity, static_cast<int32_t>(hp_.head_dim),
                                               plan.config.type, sequence.cache.meter));
    const int32_t per_store = cache.n_head() / scratch_.n_store();
    for (int32_t c = 0; c < cache.n_head(); ++c) {
      const int32_t s = c / per_store;
      const auto n_old = static_cast<int32_t>(scratch_.n_old(s));
      std::vector<int32_t> old, fresh, fresh_positions;
      for (const int32_t entry : choice.kept[c]) {
        if (entry < n_old) {
          old.push_back(entry);
        } else {
          fresh.push_back(entry - n_old);
          fresh_positions.push_back(positions[fresh_ ? 0 : s][entry]);
        }
      }
      if (!old.empty()) cache.append_entries(c, sequence.cache.layers[l], s, old);
      cache.append_rows(c, scratch_.new_keys(s, plan.rotates_when_read()), scratch_.new_values(s),
                        fresh, fresh_positions);
      if (!choice.merged_values.empty() && !choice.merged_values[c].empty()) {
        replace_values(choice.merged_values[c], choice.kept[c], c, &cache);
      }
    }
    return cache;
  }

  void replace_values(const std::vector<float>& merged, const std::vector<int32_t>& kept,
                      int32_t head, LayerCache* cache) const {
    const int64_t d = hp_.head_dim;
    std::vector<float> rows;
    for (const int32_t entry : kept)
      rows.insert(rows.end(), merged.begin() + entry * d, merged.begin() + (entry + 1) * d);
    cache->replace_values(
        head, {rows.data(), ElementType::f32, static_cast<int64_t>(kept.size()), d, d});
  }

  // The part of the logs that later evictions of this sequence will look at.
  void remember(const CachePlan& plan, bool cut, LayerMemory* memory) {
    if (!plan.repeats()) return;
    const bool folded = plan.needs(Statistic::query_moments);
    if (fresh_) {
      memory->rotated = rotated_log(plan, hp_, false);
      memory->raw = raw_log(plan, hp_, false);
      cut ? memory->rotated.adopt_last(*rotated_) : memory->rotated.adopt(*rotated_);
      cut || folded ? memory->raw.adopt_last(*raw_) : memory->raw.adopt(*raw_);
      return;
    }
    if (cut) memory->rotated.mark();
    if (cut || folded) memory->raw.mark();
  }

  Status run_head() {
    if (!request_.on_logits) {
      return head_rows(n_token_ - 1, 1, &result_.last_logits);
    }
    const int64_t at_once = std::clamp<int64_t>(
        static_cast<int64_t>(kMaxHeadBytes / (size_t{hp_.n_vocab} * sizeof(float))), kMinChunk,
        kChunk);
    std::vector<float> logits;
    for (int64_t first = 0; first < n_token_; first += at_once) {
      const int64_t n = std::min(at_once, n_token_ - first);
      RESTKV_RETURN_IF_ERROR(head_rows(first, n, &logits));
      RESTKV_RETURN_IF_ERROR(request_.on_logits(first, {logits.data(), {n, hp_.n_vocab}}));
    }
    result_.last_logits.assign(logits.end() - hp_.n_vocab, logits.end());
    return {};
  }

  Status head_rows(int64_t first, int64_t n, std::vector<float>* logits) {
    logits->resize(n * hp_.n_vocab);
    RESTKV_RETURN_IF_ERROR(compute_.run(32, [&](const GraphBuild& b) {
      const GraphContext g{b.ctx, hp_};
      ggml_tensor* rows = model_.head(g, hidden_rows(b, first, n));
      b.expand(ggml_cpy(b.ctx, rows, b.wrap(GGML_TYPE_F32, logits->data(), hp_.n_vocab, n)));
    }));
    return check_logits(model_, *logits);
  }

  ggml_tensor* hidden_rows(const GraphBuild& b, int64_t first, int64_t n) {
    return b.wrap(GGML_TYPE_F32, hidden_.data() + first * hp_.n_embd, hp_.n_embd, n);
  }

  const Model& model_;
  const HParams& hp_;
  Compute& compute_;
  const ReadRequest& request_;
  std::vector<Sequence*> sequences_;
  const bool cuts_;
  const int64_t n_token_;
  const bool fresh_;           // nothing precedes the tokens
  const int64_t n_before_;     // tokens that do
  const bool turns_to_index_;  // keys stand at their index, which may differ between heads

  ReadScratch scratch_;
  bool stores_raw_ = false;
  std::vector<float> hidden_;  // [n_token][n_embd]
  std::vector<int32_t> positions_, index_;
  std::vector<ggml_fp16_t> mask_;                // [chunk][width]
  std::vector<float> attended_;                  // [chunk][n_head][head_dim]
  QueryLog fresh_rotated_, fresh_raw_;           // of one layer, where no sequence has its own yet
  QueryLog *rotated_ = nullptr, *raw_ = nullptr;
  const AttentionScale scale_;
  bool touched_ = false;
  ReadResult result_;
};

// A prompt chunk by chunk, each followed by an eviction. Logits and progress as of one reading.
Result<ReadResult> read_in_chunks(const Model& model, Compute& compute, const ReadRequest& request,
                                  Sequence* sequence, bool* touched) {
  const auto n_token = static_cast<int64_t>(request.tokens.size());
  const int64_t every = sequence->plan->schedule.every;
  ReadResult all;
  for (int64_t first = 0; first < n_token; first += every) {
    ReadRequest piece;
    piece.tokens = request.tokens.subspan(first, std::min(every, n_token - first));
    if (request.on_logits) {
      piece.on_logits = [&](int64_t row, TensorView<const float, 2> logits) {
        return request.on_logits(first + row, logits);
      };
    }
    if (request.on_progress) {
      piece.on_progress = [&](PrefillProgress p) {
        const double share = static_cast<double>(p.n_token) / static_cast<double>(n_token);
        p.fraction = static_cast<double>(first) / static_cast<double>(n_token) + share * p.fraction;
        p.n_done += first;
        p.n_token = n_token;
        request.on_progress(p);
      };
    }
    Reading reading(model, compute, piece, {sequence}, true);
    auto result = reading.run();
    *touched = *touched || reading.touched();
    if (!result.ok()) return result;
    all.total_ms += result->total_ms;
    all.eviction_ms += result->eviction_ms;
    all.last_logits = std::move(result->last_logits);
  }
  return all;
}

Sequence make_sequence(std::shared_ptr<const CachePlan> plan, std::shared_ptr<KvMeter> meter) {
  Sequence sequence;
  sequence.plan = std::move(plan);
  sequence.cache.meter = std::move(meter);
  return sequence;
}

}  // namespace

Result<ReadResult> extend(const Model& model, Compute& compute, const ReadRequest& request,
                          Sequence* sequence) {
  if (sequence->broken) {
    return Status::runtime("the sequence is broken: reading an earlier prompt failed half-way");
  }
  if (sequence->n_seen() + static_cast<int64_t>(request.tokens.size()) > INT32_MAX / 2) {
    return Status::capacity("the sequence has " + std::to_string(sequence->n_seen()) +
                            " tokens, " + std::to_string(request.tokens.size()) +
                            " more are above the limit of " + std::to_string(INT32_MAX / 2));
  }
  const CachePlan& plan = *sequence->plan;
  RESTKV_RETURN_IF_ERROR(plan.check_model(model.hparams()));
  bool touched = false;
  const auto read = [&]() -> Result<ReadResult> {
    if (plan.repeats() && plan.schedule.kind == Schedule::Kind::chunk) {
      return read_in_chunks(model, compute, request, sequence, &touched);
    }
    Reading reading(model, compute, request, {sequence}, plan.repeats() || sequence->n_seen() == 0);
    auto result = reading.run();
    touched = reading.touched();
    return result;
  };
  auto result = read();
  sequence->broken = touched && !result.ok();
  return result;
}

Result<PrefillResult> prefill(const Model& model, Compute& compute, const ReadRequest& request,
                              std::span<const std::shared_ptr<const CachePlan>> plans,
                              const std::shared_ptr<KvMeter>& meter) {
  PrefillResult result;
  std::vector<Sequence*> together;
  for (const auto& plan : plans) {
    RESTKV_RETURN_IF_ERROR(plan->check_model(model.hparams()));
    result.sequences.push_back(make_sequence(plan, meter));
  }
  for (Sequence& sequence : result.sequences) {
    if (sequence.plan->schedule.kind == Schedule::Kind::chunk) {
      ReadRequest alone{.tokens = request.tokens, .on_progress = request.on_progress};
      RESTKV_ASSIGN_OR_RETURN(result.read, extend(model, compute, alone, &sequence));
    } else {
      together.push_back(&sequence);
    }
  }
  if (together.empty() && !plans.empty()) return result;
  Reading reading(model, compute, request, together, true);
  RESTKV_ASSIGN_OR_RETURN(result.read, reading.run());
  return result;
}

Status check_logits(const Model& model, std::span<const float> logits) {
  for (const float x : logits) {
    if (!std::isfinite(x)) {
      return Status::model(
          model.path() + ": the logits are not finite: a weight is NaN or infinite, or too large");
    }
  }
  return {};
}

}  // namespace restkv
