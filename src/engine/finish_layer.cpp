#include "engine/finish_layer.h"

#include <algorithm>

#include "engine/evict.h"
#include "engine/observe.h"

namespace restkv {
namespace {

class FinishedLayer {
 public:
  explicit FinishedLayer(const ReadState& state) : state_(state), hp_(state.model.hparams()) {}

  Status run(uint32_t l, bool cuts, const QueryMoments& moments, Sequence* sequence) {
    const CachePlan& plan = *sequence->plan;
    LayerMemory& memory = sequence->memory[l];
    const bool cut = cuts && plan.evicts(state_.n_seen());
    std::vector<std::vector<int32_t>> positions = entry_positions(l, *sequence);
    LayerView view;
    LayerStatistics statistics;
    if (cut) RESTKV_RETURN_IF_ERROR(observe(l, positions, moments, sequence, &statistics, &view));
    Status status;
    LayerCache compacted;
    state_.compute.together(
        [&] { status = choose_and_compact(l, cut, view, positions, sequence, &compacted); });
    RESTKV_RETURN_IF_ERROR(status);
    if (state_.fresh) {
      sequence->cache.layers.push_back(std::move(compacted));
    } else {
      sequence->cache.layers[l] = std::move(compacted);
    }
    remember(plan, cut, &memory);
    return {};
  }

 private:
  // [n_store] original positions of all entries; the heads of a first prompt share one list.
  std::vector<std::vector<int32_t>> entry_positions(uint32_t l, const Sequence& sequence) const {
    if (state_.fresh) return {state_.positions};
    std::vector<std::vector<int32_t>> positions(state_.scratch.n_store());
    for (int32_t s = 0; s < state_.scratch.n_store(); ++s) {
      const auto old = sequence.cache.layers[l].positions(s);
      positions[s].assign(old.begin(), old.end());
      positions[s].insert(positions[s].end(), state_.positions.begin(), state_.positions.end());
    }
    return positions;
  }

  void keep_all(const CachePlan& plan, LayerChoice* choice) const {
    const int32_t n_cached = state_.fresh ? plan.n_cached_head(hp_) : state_.scratch.n_store();
    const int32_t per_store = n_cached / state_.scratch.n_store();
    choice->kept.resize(n_cached);
    for (int32_t c = 0; c < n_cached; ++c) {
      choice->kept[c].resize(state_.scratch.n_old(c / per_store) + state_.n_token);
      for (size_t i = 0; i < choice->kept[c].size(); ++i)
        choice->kept[c][i] = static_cast<int32_t>(i);
    }
  }

  Status observe(uint32_t l, const std::vector<std::vector<int32_t>>& positions,
                 const QueryMoments& moments, Sequence* sequence, LayerStatistics* statistics,
                 LayerView* view) {
    for (int32_t store = 0; store < state_.scratch.n_store(); ++store) {
      view->keys.push_back(state_.scratch.keys(store));
      view->values.push_back(state_.scratch.values(store));
      view->positions.push_back(positions[state_.fresh ? 0 : store]);
    }
    const LayerStatistics::Source source{.layer = static_cast<int32_t>(l),
                                         .n_seen = state_.n_seen(),
                                         .log = state_.turns_to_index ? state_.raw : state_.rotated,
                                         .by_index = state_.turns_to_index,
                                         .moments = &moments};
    if (state_.sums_columns) view->column_sums = state_.column_sums;
    return statistics->fill(state_.model, state_.compute, source, sequence, view);
  }

  Status choose_and_compact(uint32_t l, bool cut, const LayerView& view,
                            const std::vector<std::vector<int32_t>>& positions, Sequence* sequence,
                            LayerCache* compacted) const {
    const CachePlan& plan = *sequence->plan;
    LayerChoice choice;
    if (cut) {
      RESTKV_ASSIGN_OR_RETURN(choice,
                              choose_entries(plan, view, state_.compute.workers(), state_.scores));
      sequence->memory[l].entry_state = std::move(choice.entry_state);
    } else {
      keep_all(plan, &choice);
    }
    RESTKV_ASSIGN_OR_RETURN(*compacted, compact(l, choice, positions, *sequence));
    return {};
  }

  // The kept entries as a layer of the cache: old ones as they are stored there, new ones from the
  // scratch.
  Result<LayerCache> compact(uint32_t l, const LayerChoice& choice,
                             const std::vector<std::vector<int32_t>>& positions,
                             const Sequence& sequence) const {
    const CachePlan& plan = *sequence.plan;
    std::vector<int32_t> capacity;
    for (const auto& entries : choice.kept)
      capacity.push_back(static_cast<int32_t>(entries.size() + plan.room()));
    RESTKV_ASSIGN_OR_RETURN(LayerCache cache,
                            LayerCache::allocate(capacity, static_cast<int32_t>(hp_.head_dim),
                                                 plan.config.type, sequence.cache.meter));
    const int32_t per_store = cache.n_head() / state_.scratch.n_store();
    std::vector<Piece> pieces;
    for (int32_t c = 0; c < cache.n_head(); ++c) {
      const int32_t s = c / per_store;
      add_pieces(place(c, s, l, choice.kept[c], positions, sequence, &cache), &pieces);
    }
    state_.compute.workers().for_each(std::ssize(pieces), [&](int64_t i, int) {
      const Piece& piece = pieces[i];
      cache.store_rows(piece.head, piece.at,
                       state_.scratch.new_keys(piece.store, plan.rotates_when_read()),
                       state_.scratch.new_values(piece.store), piece.entries);
    });
    for (int32_t c = 0; c < cache.n_head() && !choice.merged_values.empty(); ++c) {
      if (!choice.merged_values[c].empty())
        replace_values(choice.merged_values[c], choice.kept[c], c, &cache);
    }
    return cache;
  }

  // New rows of one head, on their way into the cache.
  struct Piece {
    int32_t head = 0, store = 0, at = 0;
    std::vector<int32_t> entries{};
  };

  // Old entries of a head as they are stored, and places for the new ones.
  Piece place(int32_t head, int32_t store, uint32_t l, const std::vector<int32_t>& kept,
              const std::vector<std::vector<int32_t>>& positions, const Sequence& sequence,
              LayerCache* cache) const {
    const auto n_old = static_cast<int32_t>(state_.scratch.n_old(store));
    std::vector<int32_t> old, fresh_positions;
    Piece fresh{.head = head, .store = store};
    for (const int32_t entry : kept) {
      if (entry < n_old) {
        old.push_back(entry);
      } else {
        fresh.entries.push_back(entry - n_old);
        fresh_positions.push_back(positions[state_.fresh ? 0 : store][entry]);
      }
    }
    if (!old.empty()) cache->append_entries(head, sequence.cache.layers[l], store, old);
    fresh.at = cache->append_places(head, fresh_positions);
    return fresh;
  }

  // Small enough for threads to share.
  static void add_pieces(Piece rows, std::vector<Piece>* pieces) {
    constexpr size_t kMost = 256;
    for (size_t i = 0; i < rows.entries.size(); i += kMost) {
      const auto first = rows.entries.begin() + i;
      const size_t n = std::min(kMost, rows.entries.size() - i);
      pieces->push_back(
          {rows.head, rows.store, rows.at + static_cast<int32_t>(i), {first, first + n}});
    }
  }

  void replace_values(const std::vector<float>& merged, const std::vector<int32_t>& kept,
                      int32_t head, LayerCache* cache) const {
    const int64_t d = hp_.head_dim;
    std::vector<float> rows;
    for (const int32_t entry : kept)
      rows.insert(rows.end(), merged.begin() + entry * d, merged.begin() + (entry + 1) * d);
    cache->replace_values(head,
                          {rows.data(), ElementType::f32, static_cast<int64_t>(kept.size()), d, d});
  }

  // The part of the logs that later evictions of this sequence will look at.
  void remember(const CachePlan& plan, bool cut, LayerMemory* memory) {
    if (!plan.repeats()) return;
    const bool folded = plan.needs(Statistic::query_moments);
    if (state_.fresh) {
      memory->rotated = rotated_log(plan, hp_, false);
      memory->raw = raw_log(plan, hp_, false);
      cut ? memory->rotated.adopt_last(*state_.rotated) : memory->rotated.adopt(*state_.rotated);
      cut || folded ? memory->raw.adopt_last(*state_.raw) : memory->raw.adopt(*state_.raw);
      return;
    }
    if (cut) memory->rotated.mark();
    if (cut || folded) memory->raw.mark();
  }

  const ReadState& state_;
  const HParams& hp_;
};

}  // namespace

Status finish_layer(const ReadState& state, uint32_t l, bool cuts, const QueryMoments& moments,
                    Sequence* sequence) {
  return FinishedLayer(state).run(l, cuts, moments, sequence);
}

}  // namespace restkv
