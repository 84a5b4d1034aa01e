#include "bench/layer/layer_state.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/parallel.h"
#include "engine/observe.h"

namespace restkv::bench {
namespace {

// One log that holds what any of the plans looks at.
QueryLog shared_log(const Plans& plans, const HParams& hp, bool raw) {
  int64_t n_last = 0;
  bool all = false;
  for (const auto& plan : plans) {
    const QueryLog log = raw ? raw_log(*plan, hp, true) : rotated_log(*plan, hp, true);
    n_last = std::max(n_last, log.n_last());
    all = all || log.keeps_all_since();
  }
  return QueryLog(hp.n_head, hp.head_dim, n_last, all);
}

}  // namespace

SyntheticLayer::SyntheticLayer(const Model& model, Compute& compute, int64_t n_token,
                               const Plans& plans)
    : shape_{.n_head = model.hparams().n_head,
             .n_head_kv = model.hparams().n_head_kv,
             .head_dim = model.hparams().head_dim,
             .n_token = n_token},
      state_{.model = model, .compute = compute, .n_token = n_token},
      rotated_(shared_log(plans, model.hparams(), false)),
      raw_(shared_log(plans, model.hparams(), true)) {
  state_.stores_raw =
      std::ranges::any_of(plans, [](const auto& plan) { return plan->rotates_when_read(); });
  state_.rotated = &rotated_;
  state_.raw = &raw_;
}

Result<std::unique_ptr<SyntheticLayer>> SyntheticLayer::create(const Model& model, Compute& compute,
                                                               int64_t n_token,
                                                               const Plans& plans) {
  std::unique_ptr<SyntheticLayer> layer(new SyntheticLayer(model, compute, n_token, plans));
  const HParams& hp = model.hparams();
  ReadState& state = layer->state_;
  const int64_t n_row = n_token * hp.n_head_kv;
  RESTKV_RETURN_IF_ERROR(state.scratch.allocate(n_row, state.stores_raw ? n_row : 0,
                                                static_cast<int32_t>(hp.head_dim),
                                                std::make_shared<KvMeter>()));
  state.scratch.begin(static_cast<int32_t>(hp.n_head_kv), n_token);
  state.positions.resize(n_token);
  std::iota(state.positions.begin(), state.positions.end(), 0);
  layer->fill_rows();
  layer->fill_log(&layer->rotated_);
  layer->fill_log(&layer->raw_);
  return layer;
}

void SyntheticLayer::fill_rows() {
  ReadScratch& scratch = state_.scratch;
  const size_t bytes = shape_.n_token * shape_.head_dim * sizeof(uint16_t);
  parallel_for(state_.compute.n_threads(), shape_.n_head_kv, [&](int64_t h) {
    const auto store = static_cast<int32_t>(h);
    synthetic_rows(shape_, h, scratch.k(store, 0), scratch.v(store, 0));
    if (state_.stores_raw) std::memcpy(scratch.raw_k(store, 0), scratch.k(store, 0), bytes);
  });
}

void SyntheticLayer::fill_log(QueryLog* log) {
  if (!log->keeps_any()) return;
  log->make_room(shape_.n_token);
  for (int64_t t = log->first_kept(shape_.n_token); t < shape_.n_token; ++t) {
    for (int64_t h = 0; h < shape_.n_head; ++h)
      synthetic_query(shape_, h, t, log->slot(t) + h * log->head_stride());
  }
  log->commit(shape_.n_token);
}

Result<Sequence> SyntheticLayer::cut(const std::shared_ptr<const CachePlan>& plan) {
  const HParams& hp = state_.model.hparams();
  Sequence sequence;
  sequence.plan = plan;
  sequence.cache.meter = std::make_shared<KvMeter>();
  sequence.memory.resize(hp.n_layer);
  for (uint32_t l = 0; l < hp.n_layer; ++l) {
    QueryMoments moments;
    if (plan->needs(Statistic::query_moments)) {
      fold_moments(raw_, shape_.n_token, state_.model.attention_scale().queries, hp,
                   state_.compute.workers(), &moments);
    }
    RESTKV_RETURN_IF_ERROR(finish_layer(state_, l, true, moments, &sequence));
  }
  sequence.cache.next_position = static_cast<int32_t>(shape_.n_token);
  return sequence;
}

double planted_recall(const KvCache& cache, int64_t n_token) {
  const LayerCache& layer = cache.layers[0];
  const std::vector<int64_t> spans = planted_spans(n_token);
  int64_t n_kept = 0;
  for (int32_t h = 0; h < layer.n_head(); ++h) {
    for (const int32_t position : layer.positions(h)) {
      const auto after = std::ranges::upper_bound(spans, int64_t{position});
      if (after != spans.begin() && position < *(after - 1) + kSpanTokens) ++n_kept;
    }
  }
  return static_cast<double>(n_kept) /
         static_cast<double>(layer.n_head() * kPlantedSpans * kSpanTokens);
}

}  // namespace restkv::bench
