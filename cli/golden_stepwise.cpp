#include "cli/golden_stepwise.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace restkv::cli {
namespace {

// Entries that share one selection, and the query heads that decide on it.
struct Unit {
  int32_t first_head = 0, n_head = 1;
  std::vector<int32_t> positions{};
  std::vector<float> state{};  // [n_head][entry]
};

// The query heads `first_head` on that read one KV head, over a unit's entries.
struct Part {
  int32_t first_head = 0, n_head = 1, kv_head = 0;
};

// One run of a scoring policy over one part of a unit; owns what it observes.
class PartRun {
 public:
  // The last n_query entries' queries have been read since the last run.
  PartRun(const GoldenCase& c, const Part& part, const Unit& unit, int64_t n_query)
      : c_(c), part_(part), unit_(unit), n_query_(n_query) {
    gather_keys();
    gather_queries();
  }

  Status score(const EvictionPolicy& policy, GroupScores* scores) {
    Observation group = observe();
    std::vector<float> sums;
    if (has(policy.traits().needs, Statistic::column_sums)) {
      RESTKV_ASSIGN_OR_RETURN(
          sums, column_sums({group.attention_scale, group.queries, group.keys, n_query_}));
      group.column_sums = {sums.data(), {part_.n_head, n_entry()}};
    }
    if (!unit_.state.empty()) {
      const int64_t offset = (part_.first_head - unit_.first_head) * n_entry();
      group.entry_state = {unit_.state.data() + offset, {part_.n_head, n_entry(), 1}};
    }
    return policy.score(group, scores);
  }

 private:
  int64_t n_entry() const { return static_cast<int64_t>(unit_.positions.size()); }

  void gather_keys() {
    const int64_t d = c_.head_dim;
    keys_.reserve(n_entry() * d);
    for (int32_t position : unit_.positions) {
      const float* row = c_.k.data() + (part_.kv_head * c_.length + position) * d;
      keys_.insert(keys_.end(), row, row + d);
    }
  }

  void gather_queries() {
    const int64_t d = c_.head_dim;
    const int64_t end = unit_.positions.back() + 1;
    const int64_t first = end - n_query_ - (c_.length - c_.n_query);
    for (int64_t h = part_.first_head; h < part_.first_head + part_.n_head; ++h) {
      const float* row = c_.q.data() + (h * c_.n_query + first) * d;
      queries_.insert(queries_.end(), row, row + n_query_ * d);
    }
  }

  Observation observe() const {
    const int64_t d = c_.head_dim;
    Observation group;
    // Below the window nothing is evicted, and there is no past: all entries are scored.
    const int64_t window = n_entry() > c_.window ? c_.window : 0;
    group.context = {c_.layer, c_.n_layer, c_.budget, window, false};
    group.attention_scale = 1.0f / std::sqrt(static_cast<float>(d));
    group.queries = {queries_.data(), {part_.n_head, n_query_, d}};
    group.keys = {keys_.data(), ElementType::f32, n_entry(), d, d};
    group.positions = unit_.positions;
    group.n_group = part_.n_head;
    group.kv_head = part_.kv_head;
    return group;
  }

  const GoldenCase& c_;
  const Part& part_;
  const Unit& unit_;
  int64_t n_query_;
  std::vector<float> keys_, queries_;
};

std::vector<Unit> units_of(const GoldenCase& c) {
  const int32_t per_head = c.per_kv_head() ? c.n_group() : 1;
  const int32_t n_head = c.unit == GoldenUnit::layer ? c.n_head : per_head;
  std::vector<Unit> units;
  for (int32_t first = 0; first < c.n_head; first += n_head)
    units.push_back({first, n_head});
  return units;
}

std::vector<Part> parts_of(const GoldenCase& c, const Unit& unit) {
  std::vector<Part> parts;
  const int32_t end = unit.first_head + unit.n_head;
  for (int32_t head = unit.first_head; head < end;) {
    const int32_t kv_head = head / c.n_group();
    const int32_t next = std::min(end, (kv_head + 1) * c.n_group());
    parts.push_back({head, next - head, kv_head});
    head = next;
  }
  return parts;
}

// What stays of a unit's rows of floats, one for each of its heads.
std::vector<float> compacted(const std::vector<float>& state, std::span<const int32_t> kept,
                             int64_t n_head, int64_t n_entry) {
  std::vector<float> result;
  if (state.empty()) return result;
  for (int64_t h = 0; h < n_head; ++h) {
    for (int32_t index : kept)
      result.push_back(state[h * n_entry + index]);
  }
  return result;
}

// Room for the entries that arrived, with zeros.
void append_entries(int64_t begin, int64_t end, Unit* unit) {
  const int64_t before = static_cast<int64_t>(unit->positions.size());
  for (int64_t position = begin; position < end; ++position)
    unit->positions.push_back(static_cast<int32_t>(position));
  if (unit->state.empty()) return;
  const int64_t after = static_cast<int64_t>(unit->positions.size());
  std::vector<float> grown(unit->n_head * after, 0.0f);
  for (int64_t h = 0; h < unit->n_head; ++h)
    std::copy_n(unit->state.begin() + h * before, before, grown.begin() + h * after);
  unit->state = std::move(grown);
}

// The vote's scores of every entry: what the policy carries along has the window's as well.
std::vector<float> all_scores(const GoldenCase& c, GroupScores scores, VotePoint point) {
  if (!scores.entry_state.empty()) {
    scores.raw = scores.entry_state;
    scores.n_scored = static_cast<int64_t>(scores.raw.size()) / scores.n_group();
  }
  return vote_and_smooth(scores, point, Granularity::kv_head, c.selection.vote);
}

// Positions begin .. end - 1 arrive, then the policy runs.
Result<GroupScores> advance(const GoldenCase& c, const EvictionPolicy& policy, int64_t begin,
                            int64_t end, Unit* unit) {
  append_entries(begin, end, unit);
  const bool last_only = has(policy.traits().needs, Statistic::last_query);
  std::vector<GroupScores> groups;
  for (const Part& part : parts_of(c, *unit)) {
    PartRun run(c, part, *unit, last_only ? 1 : end - begin);
    RESTKV_RETURN_IF_ERROR(run.score(policy, &groups.emplace_back()));
  }
  return join_groups(groups);
}

Status cut_back(const GoldenCase& c, const EvictionPolicy& policy, const GroupScores& scores,
                Unit* unit) {
  const int64_t n_entry = static_cast<int64_t>(unit->positions.size());
  const auto voted =
      vote_and_smooth(scores, policy.traits().vote, Granularity::kv_head, c.selection.vote);
  const int64_t n_keep = c.budget - (n_entry - scores.n_scored);
  const auto kept = select_entries(voted, n_keep, n_entry);
  unit->state = compacted(scores.entry_state, kept, unit->n_head, n_entry);
  std::vector<int32_t> positions;
  positions.reserve(kept.size());
  for (int32_t index : kept)
    positions.push_back(unit->positions[index]);
  unit->positions = std::move(positions);
  return {};
}

}  // namespace

Status step_by_scores(const GoldenCase& c, const EvictionPolicy& policy, GoldenSelection* out) {
  const int64_t n_prompt = c.length - c.n_decode;
  for (Unit& unit : units_of(c)) {
    int64_t begin = 0;
    for (int64_t end = n_prompt; end <= c.length; ++end) {
      RESTKV_ASSIGN_OR_RETURN(const GroupScores scores, advance(c, policy, begin, end, &unit));
      if (end == n_prompt) out->scores.push_back(all_scores(c, scores, policy.traits().vote));
      RESTKV_RETURN_IF_ERROR(cut_back(c, policy, scores, &unit));
      begin = end;
    }
    out->indices.push_back(std::move(unit.positions));
  }
  return {};
}

Status step_by_positions(const GoldenCase& c, const EvictionPolicy& policy, GoldenSelection* out) {
  const int32_t n_unit = c.unit == GoldenUnit::every_layer ? c.n_layer : 1;
  for (int32_t layer = 0; layer < n_unit; ++layer) {
    const LayerContext context{layer, c.n_layer, c.budget, c.window, false};
    const auto state = policy.make_layer_state();
    std::vector<int32_t> positions(static_cast<size_t>(c.length - c.n_decode));
    std::iota(positions.begin(), positions.end(), 0);
    for (int64_t next = c.length - c.n_decode;; ++next) {
      RESTKV_ASSIGN_OR_RETURN(
          const auto kept,
          policy.select_positions(context, static_cast<int64_t>(positions.size()), state.get()));
      // Ascending: each goes to its own place or one before it.
      for (size_t i = 0; i < kept.size(); ++i)
        positions[i] = positions[kept[i]];
      positions.resize(kept.size());
      if (next == c.length) break;
      positions.push_back(static_cast<int32_t>(next));
    }
    out->indices.push_back(std::move(positions));
  }
  return {};
}

}  // namespace restkv::cli
