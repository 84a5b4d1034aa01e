#include "engine/recut.h"

#include <chrono>
#include <new>

#include "engine/evict.h"
#include "engine/observe.h"
#include "engine/scratch.h"

namespace restkv {
namespace {

// Below this many multiplications gathering threads costs more than it saves.
constexpr int64_t kWorthThreads = int64_t{1} << 22;

// One layer of a cache as eviction sees it: rows as they lie where they are f16 and rotated, a
// float copy otherwise.
class CachedLayer {
 public:
  CachedLayer(const Model& model, Compute& compute, Sequence* sequence, int32_t l)
      : model_(model),
        hp_(model.hparams()),
        compute_(compute),
        sequence_(*sequence),
        plan_(*sequence->plan),
        cache_(sequence->cache.layers[l]),
        memory_(sequence->memory[l]),
        layer_(l) {}

  Status cut() {
    const bool cuts = plan_.evicts(sequence_.n_seen());
    const bool folds = plan_.needs(Statistic::query_moments);
    if (folds) {
      fold_moments(memory_.raw, sequence_.n_seen(), model_.attention_scale().queries, hp_,
                   compute_.workers(), &memory_.moments);
    }
    if (cuts) {
      RESTKV_RETURN_IF_ERROR(observe());
      RESTKV_ASSIGN_OR_RETURN(LayerChoice choice, choose_entries(plan_, view_, workers()));
      apply(&choice);
      memory_.rotated.mark();
    }
    if (cuts || folds) memory_.raw.mark();
    return {};
  }

 private:
  Status observe() {
    observe_rows();
    const bool by_index = plan_.rotates_when_read();
    const LayerStatistics::Source source{.layer = layer_,
                                         .n_seen = sequence_.n_seen(),
                                         .log = by_index ? &memory_.raw : &memory_.rotated,
                                         .by_index = by_index,
                                         .moments = &memory_.moments};
    return statistics_.fill(model_, compute_, source, &sequence_, &view_);
  }

  void observe_rows() {
    const bool scores = !plan_.traits.position_only;
    for (int32_t h = 0; h < cache_.n_head(); ++h) {
      view_.positions.push_back(cache_.positions(h));
      const bool as_it_lies = cache_.type() == StorageType::f16 || !scores;
      view_.keys.push_back(as_it_lies && (!plan_.rotates_when_read() || !scores)
                               ? lying(cache_.k_row(h, 0), h)
                               : copied(cache_.k_row(h, 0), h, plan_.rotates_when_read()));
      view_.values.push_back(as_it_lies || !plan_.needs(Statistic::values)
                                 ? lying(cache_.v_row(h, 0), h)
                                 : copied(cache_.v_row(h, 0), h, false));
    }
  }

  RowsView lying(const std::byte* rows, int32_t head) const {
    const int64_t d = hp_.head_dim;
    return {rows, ElementType::f16, cache_.count(head), d, d};
  }

  RowsView copied(const std::byte* rows, int32_t head, bool rotates) {
    const int64_t d = hp_.head_dim, n = cache_.count(head);
    std::vector<float>& floats = copies_.emplace_back(n * d);
    load_stored(rows, cache_.type(), n, d, floats.data());
    if (rotates) rotate_to_index(sequence_.rope, n, d, floats.data());
    return {floats.data(), ElementType::f32, n, d, d};
  }

  Workers& workers() {
    const int64_t n_row =
        std::max<int64_t>(plan_.n_last_query(), plan_.sums_columns() ? view_.n_since : 0);
    const int64_t work = cache_.n_entry() * view_.n_group() * hp_.head_dim * n_row;
    if (work < kWorthThreads) return alone_;
    return compute_.workers();
  }

  void apply(LayerChoice* choice) {
    const int64_t d = hp_.head_dim;
    for (int32_t h = 0; h < cache_.n_head(); ++h) {
      if (!choice->merged_values.empty() && !choice->merged_values[h].empty()) {
        const std::vector<float>& merged = choice->merged_values[h];
        cache_.replace_values(h, {merged.data(), ElementType::f32, cache_.count(h), d, d});
      }
      cache_.keep(h, choice->kept[h]);
    }
    memory_.entry_state = std::move(choice->entry_state);
  }

  const Model& model_;
  const HParams& hp_;
  Compute& compute_;
  Sequence& sequence_;
  const CachePlan& plan_;
  LayerCache& cache_;
  LayerMemory& memory_;
  int32_t layer_;
  Alone alone_;
  LayerView view_;
  LayerStatistics statistics_;
  std::vector<std::vector<float>> copies_;
};

Status cut_all(const Model& model, Compute& compute, Sequence* sequence) {
  try {
    for (size_t l = 0; l < sequence->cache.layers.size(); ++l) {
      CachedLayer layer(model, compute, sequence, static_cast<int32_t>(l));
      RESTKV_RETURN_IF_ERROR(layer.cut());
    }
  } catch (const std::bad_alloc&) {
    return Status::capacity("no memory to choose the entries that stay");
  }
  return {};
}

}  // namespace

Status count_decoded(const Model& model, Compute& compute, Sequence* sequence) {
  const CachePlan& plan = *sequence->plan;
  ++sequence->n_decoded;
  if (!plan.repeats() || plan.schedule.kind != Schedule::Kind::decode ||
      sequence->n_decoded < plan.schedule.every) {
    return {};
  }
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  sequence->n_decoded = 0;
  // A cut is short, and one that stops half-way would cost the whole sequence.
  const Compute::Uninterrupted whole(compute);
  const Status status = cut_all(model, compute, sequence);
  sequence->broken = !status.ok();
  RESTKV_RETURN_IF_ERROR(status);
  sequence->eviction_ms += std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  return {};
}

}  // namespace restkv
