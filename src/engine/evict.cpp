#include "engine/evict.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "core/check.h"
#include "engine/group_view.h"
#include "engine/tile_column_sums.h"

namespace restkv {
namespace {

std::vector<int32_t> all_entries(int64_t n) {
  std::vector<int32_t> all(n);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

class Choosing {
 public:
  Choosing(const CachePlan& plan, const LayerView& layer, Workers& workers, SharedScores* shared)
      : plan_(plan), layer_(layer), workers_(workers), shared_(shared), n_store_(layer.n_store()) {
    const bool per_query = plan.config.selection.granularity == Granularity::query_head;
    per_store_ = per_query ? layer.n_group() : 1;
    choice_.kept.resize(n_store_ * per_store_);
  }

  Result<LayerChoice> run() {
    const bool untouched = !plan_.config.strict && !plan_.policy->applies_to_layer(layer_.layer);
    if (!plan_.evicts(layer_.n_seen) || untouched) {
      keep_all();
      return std::move(choice_);
    }
    find_forced();
    RESTKV_RETURN_IF_ERROR(find_share());
    RESTKV_RETURN_IF_ERROR(plan_.traits.position_only ? choose_positions() : choose_scores());
    return std::move(choice_);
  }

 private:
  void keep_all() {
    for (size_t c = 0; c < choice_.kept.size(); ++c)
      choice_.kept[c] = all_entries(layer_.keys[c / per_store_].n_row);
  }

  // Sinks and pinned entries before the window of every store head.
  void find_forced() {
    const Protection& protection = plan_.config.protection;
    forced_.resize(n_store_);
    for (int32_t s = 0; s < n_store_; ++s) {
      const auto positions = layer_.positions[s];
      const int64_t n = static_cast<int64_t>(positions.size()) - plan_.protected_window();
      for (int64_t i = 0; i < n; ++i) {
        if (positions[i] < plan_.n_sink() || protection.holds(positions[i]))
          forced_[s].push_back(static_cast<int32_t>(i));
      }
    }
  }

  // This layer's share of the budget.
  Status find_share() {
    size_t n_forced = 0;
    for (const auto& forced : forced_)
      n_forced = std::max(n_forced, forced.size());
    const LayerSplit split{.budget = plan_.config.budget,
                           .window = plan_.protected_window(),
                           .n_forced = static_cast<int64_t>(n_forced),
                           .n_seen = layer_.n_seen,
                           .n_layer = layer_.n_layer,
                           .spares_short = plan_.traits.pyramid_spares_short,
                           .strict = plan_.config.strict};
    RESTKV_ASSIGN_OR_RETURN(const std::vector<int64_t> shares,
                            split_layers(plan_.layer_budget, split));
    n_keep_ = shares[layer_.layer];
    return {};
  }

  Status choose_positions() {
    const EvictionPolicy& policy = *plan_.policy;
    const int64_t n_entry = layer_.keys[0].n_row;
    const int64_t window = policy.effective_window(plan_.config.policy.window, n_keep_);
    RESTKV_RETURN_IF_ERROR(of_layer(policy.check_budget(window, n_keep_, layer_.n_layer)));
    const LayerContext context{layer_.layer, layer_.n_layer, n_keep_, window, plan_.config.strict};
    auto selected = policy.select_positions(context, n_entry, layer_.state);
    if (!selected.ok()) return of_layer(selected.status());
    const std::vector<int32_t>& same = *selected;
    const std::vector<int32_t> forced = with_sinks(policy.kept_sinks(layer_.state), same);
    if (forced.size() > same.size()) return too_much_protected(forced.size(), same.size());
    std::fill(choice_.kept.begin(), choice_.kept.end(), force_entries(same, forced));
    return {};
  }

  // The forced entries, and those of the first n_sink that the policy has kept, as far as there is
  // room for both: pinned entries push others out first. Where nothing is forced, nothing is
  // pushed.
  std::vector<int32_t> with_sinks(int64_t n_sink, const std::vector<int32_t>& kept) const {
    std::vector<int32_t> forced = forced_[0];
    if (forced.empty()) return forced;
    for (const int32_t entry : kept) {
      if (entry >= n_sink || forced.size() >= kept.size()) break;
      if (!std::ranges::binary_search(forced_[0], entry)) forced.push_back(entry);
    }
    std::sort(forced.begin(), forced.end());
    return forced;
  }

  // A budget that an error names is this layer's share where layers differ.
  Status of_layer(const Status& status) const {
    if (status.ok() || plan_.layer_budget.kind == LayerBudget::Kind::uniform) return status;
    return Status(status.kind(), "layer " + std::to_string(layer_.layer) +
                                     "'s share of the budget: " + status.message());
  }

  static Status too_much_protected(size_t n_forced, size_t n_kept) {
    return Status::capacity("--kv-sink and --kv-pin protect " + std::to_string(n_forced) +
                            " entries, the policy keeps " + std::to_string(n_kept));
  }

  Status choose_scores() {
    if (shared_ != nullptr) scores_ = shared_->take(plan_);
    if (scores_ == nullptr) {
      compute_column_sums();
      RESTKV_RETURN_IF_ERROR(score());
      if (shared_ != nullptr) shared_->keep(plan_, scores_);
    }
    if (plan_.traits.vote == VotePoint::layer) return select_together();
    return select_apart();
  }

  // Attention that every key received, a query head at a time: they are more than KV heads, and
  // balance better.
  void compute_column_sums() {
    if (!plan_.sums_columns()) return;
    column_sums_.resize(n_store_);
    for (int32_t s = 0; s < n_store_; ++s)
      column_sums_[s].resize(layer_.n_group() * layer_.keys[s].n_row);
    sum_status_.assign(layer_.n_head, {});
    if (plan_.needs(Statistic::column_sums) && !layer_.column_sums.empty()) return take_sums();
    if (layer_.tiles) return sum_in_tiles();
    sum_exactly();
  }

  int64_t n_masked() const {
    const bool causal = plan_.needs(Statistic::column_sums);
    return causal ? layer_.n_since : std::min(layer_.n_since, plan_.window);
  }

  // The store heads of a first prompt hold the same number of entries.
  void take_sums() {
    auto from = layer_.column_sums.begin();
    for (std::vector<float>& sums : column_sums_) {
      std::copy_n(from, sums.size(), sums.begin());
      from += std::ssize(sums);
    }
  }

  void sum_in_tiles() {
    for (int32_t s = 0; s < n_store_; ++s) {
      sum_columns({.attention_scale = layer_.attention_scale,
                   .queries = layer_.queries,
                   .n_query = layer_.n_since,
                   .first_head = int64_t{s} * layer_.n_group(),
                   .n_group = layer_.n_group(),
                   .keys = layer_.keys[s],
                   .n_masked = n_masked(),
                   .sums = column_sums_[s].data()},
                  workers_);
    }
  }

  void sum_exactly() {
    const int64_t d = layer_.head_dim, n = layer_.n_since, n_group = layer_.n_group();
    workers_.for_each(layer_.n_head, [&](int64_t h, int) {
      const int64_t s = h / n_group;
      const float* rows = layer_.queries.row(h, layer_.queries.n_query - n);
      const auto sums = column_sums({.attention_scale = layer_.attention_scale,
                                     .queries = {rows, {1, n, d}},
                                     .keys = layer_.keys[s],
                                     .n_masked = n_masked()});
      sum_status_[h] = sums.status();
      if (sums.ok()) {
        std::copy(sums->begin(), sums->end(),
                  column_sums_[s].begin() + (h % n_group) * layer_.keys[s].n_row);
      }
    });
  }

  Status score() {
    std::vector<GroupView> views;
    std::vector<Observation> groups;
    for (int32_t s = 0; s < n_store_; ++s) {
      groups.push_back(views.emplace_back(plan_, layer_, s).view());
      if (!plan_.sums_columns()) continue;
      Observation& group = groups.back();
      for (int64_t g = 0; g < group.n_group; ++g)
        RESTKV_RETURN_IF_ERROR(sum_status_[s * group.n_group + g]);
      group.column_sums = {column_sums_[s].data(), {group.n_group, group.n_entry()}};
    }
    auto scores = std::make_shared<std::vector<GroupScores>>(n_store_);
    RESTKV_RETURN_IF_ERROR(plan_.policy->score_layer(groups, workers_, *scores));
    scores_ = std::move(scores);
    merge_values(groups);
    return {};
  }

  void merge_values(const std::vector<Observation>& groups) {
    choice_.merged_values.resize(choice_.kept.size());
    workers_.for_each(n_store_, [&](int64_t s, int) {
      for (int32_t i = 0; i < per_store_; ++i) {
        auto merged = plan_.policy->merge_values(groups[s], per_store_ > 1 ? i : -1);
        RESTKV_CHECK(!merged || plan_.traits.state_per_entry > 0);
        if (merged) choice_.merged_values[s * per_store_ + i] = std::move(*merged);
      }
    });
  }

  Status select_apart() {
    const SelectionOptions& options = plan_.config.selection;
    const std::vector<std::vector<float>> rows =
        vote_and_smooth(*scores_, plan_.traits.vote, options.granularity, options.vote, workers_);
    std::vector<HeadScores> heads;
    for (size_t c = 0; c < choice_.kept.size(); ++c) {
      const size_t s = c / per_store_;
      const auto n = static_cast<size_t>((*scores_)[s].n_scored);
      heads.push_back({std::span<const float>(rows[s]).subspan(c % per_store_ * n, n),
                       layer_.keys[s].n_row, forced_[s]});
    }
    return select(heads);
  }

  Status select_together() {
    const GroupScores joined = join_groups(*scores_);
    const std::vector<float> row = vote_and_smooth(joined, VotePoint::layer, Granularity::kv_head,
                                                   plan_.config.selection.vote);
    const HeadScores head{row, layer_.keys[0].n_row, forced_[0]};
    return select(std::vector<HeadScores>(choice_.kept.size(), head));
  }

  Status select(const std::vector<HeadScores>& heads) {
    RESTKV_ASSIGN_OR_RETURN(
        const std::vector<int64_t> counts,
        split_heads(plan_.head_budget, heads, n_keep_, layer_.layer, plan_.config.strict));
    for (size_t c = 0; c < heads.size(); ++c) {
      if (static_cast<int64_t>(heads[c].forced.size()) > counts[c])
        return too_much_protected(heads[c].forced.size(), counts[c]);
    }
    workers_.for_each(std::ssize(heads), [&](int64_t c, int) {
      choice_.kept[c] =
          select_entries(heads[c].scores, counts[c], heads[c].n_entry, heads[c].forced);
    });
    for (size_t c = 0; c < heads.size(); ++c)
      RESTKV_RETURN_IF_ERROR(check_count(c, heads[c], counts[c]));
    compact_state();
    return {};
  }

  Status check_count(size_t c, const HeadScores& head, int64_t count) const {
    const int64_t n_scored = std::ssize(head.scores);
    const int64_t expected = std::min(count, n_scored) + head.n_entry - n_scored;
    if (std::ssize(choice_.kept[c]) == expected) return {};
    return Status::runtime("layer " + std::to_string(layer_.layer) + ", head " + std::to_string(c) +
                           " kept " + std::to_string(choice_.kept[c].size()) +
                           " entries, the method's own count is " + std::to_string(expected));
  }

  // State of the kept entries: of all query heads of a KV head, or of the one that chose.
  void compact_state() {
    const int64_t per_entry = plan_.traits.state_per_entry;
    if (per_entry == 0) return;
    choice_.entry_state.resize(choice_.kept.size());
    for (size_t c = 0; c < choice_.kept.size(); ++c) {
      const size_t s = c / per_store_;
      const int64_t n = layer_.keys[s].n_row * per_entry;
      const int64_t first = per_store_ > 1 ? static_cast<int64_t>(c % per_store_) : 0;
      const int64_t n_row = per_store_ > 1 ? 1 : layer_.n_group();
      for (int64_t g = first; g < first + n_row; ++g) {
        for (const int32_t entry : choice_.kept[c]) {
          const auto from = (*scores_)[s].entry_state.begin() + g * n + entry * per_entry;
          choice_.entry_state[c].insert(choice_.entry_state[c].end(), from, from + per_entry);
        }
      }
    }
  }

  const CachePlan& plan_;
  const LayerView& layer_;
  Workers& workers_;
  SharedScores* shared_;
  int32_t n_store_, per_store_ = 1;
  int64_t n_keep_ = 0;
  std::vector<std::vector<int32_t>> forced_;     // [n_store]
  std::vector<std::vector<float>> column_sums_;  // [n_store][n_group][n_entry]
  std::vector<Status> sum_status_;               // [n_head]
  SharedScores::Scores scores_;                  // [n_store]
  LayerChoice choice_;
};

}  // namespace

Result<LayerChoice> choose_entries(const CachePlan& plan, const LayerView& layer, Workers& workers,
                                   SharedScores* shared) {
  return Choosing(plan, layer, workers, shared).run();
}

}  // namespace restkv
