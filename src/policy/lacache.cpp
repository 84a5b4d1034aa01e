// LaCache (arXiv 2507.14204; docs/policies.md, lacache): entries are dropped in a ladder pattern,
// every layer another part of each rung, so that all layers together still cover the sequence.
// Positions only. A cursor moves through the cache; when it has reached the end, a wider ladder
// starts over at the front. Where overlapping rungs choose an entry twice it is kept once; the
// published code keeps it twice. Budgets for which that code divides by zero are refused.
#include <algorithm>
#include <numeric>
#include <string>

#include "policy/factories.h"
#include "policy/options.h"

namespace restkv {
namespace {

constexpr int64_t kMaxDefaultStart = 128;
constexpr int64_t kMaxSpan = 1 << 20;  // beyond any model

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// The shape of one rung: of `width` entries, `kept` stay.
struct Rung {
  int64_t width = 1, kept = 1;
  int64_t dropped() const { return width - kept; }
};

// REQUIRES: 0 <= overlap < span. dropped() is 0 or less where the pattern drops nothing.
Rung rung_of(int64_t span, int64_t overlap, int64_t n_layer) {
  const int64_t step = span - overlap;
  const int64_t width = n_layer > span ? 1 + ceil_div(n_layer - span, step) : 1;
  return {width, std::min(ceil_div(span, step), width)};
}

struct Ladder {
  int64_t start = 0;   // entries before it stay
  int64_t n_rung = 0;  // everything behind the last rung stays
  Rung rung;
  int64_t spacing = 1;  // between the entries that a rung keeps
  int64_t layer = 0;    // shifts what is kept inside a rung
};

// Indices below n that stay, ascending, each once.
std::vector<int32_t> climb(const Ladder& ladder, int64_t n) {
  std::vector<int32_t> kept(static_cast<size_t>(ladder.start));
  std::iota(kept.begin(), kept.end(), 0);
  const int64_t shift = ladder.layer % (ladder.rung.dropped() + 1);
  for (int64_t j = 0; j < ladder.n_rung; ++j) {
    const int64_t first = ladder.start + ladder.rung.width * j + shift;
    for (int64_t m = 0; m < ladder.rung.kept; ++m) {
      if (first + m * ladder.spacing < n)
        kept.push_back(static_cast<int32_t>(first + m * ladder.spacing));
    }
  }
  for (int64_t i = ladder.start + ladder.rung.width * ladder.n_rung; i < n; ++i)
    kept.push_back(static_cast<int32_t>(i));
  if (ladder.spacing > 1 && ladder.rung.kept > 1) {  // rungs overlap
    std::ranges::sort(kept);
    kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  }
  return kept;
}

// One cut of one layer's cache. `cursor` is moved.
struct Cut {
  Rung rung;
  int64_t start = 0, budget = 0;
  LayerContext context;
  int64_t* cursor = nullptr;

  std::vector<int32_t> run(int64_t n) const {
    const int64_t excess = n - budget;
    const int64_t room = std::max<int64_t>(0, budget - *cursor - context.n_layer);
    const int64_t easy = room / rung.kept * rung.dropped();
    const bool fits = excess <= easy;
    const int64_t n_rung = fits ? ceil_div(excess, rung.dropped()) : room / rung.kept;
    std::vector<int32_t> kept = climb({*cursor, n_rung, rung, 1, context.layer}, n);
    *cursor += n_rung * rung.kept;
    if (fits) return kept;
    return start_over(kept, excess - easy);
  }

  // Drops `rest` more with rungs that are as many times wider as one round would have to be run.
  std::vector<int32_t> start_over(const std::vector<int32_t>& kept, int64_t rest) const {
    const int64_t per_round = (budget - start - context.n_layer) / rung.kept * rung.dropped();
    const int64_t times = ceil_div(rest, per_round);
    const Rung wide{rung.width + (times - 1) * (rung.width - 1), rung.kept};
    const int64_t n_rung = ceil_div(rest, wide.dropped());
    *cursor = start + n_rung * wide.kept;
    std::vector<int32_t> chosen =
        climb({start, n_rung, wide, times, context.layer}, static_cast<int64_t>(kept.size()));
    for (int32_t& index : chosen)
      index = kept[index];
    return chosen;
  }
};

class LaCache : public EvictionPolicy {
 public:
  explicit LaCache(const PolicyOptions& options)
      : span_(options.span), overlap_(options.overlap), start_(options.n_sink) {}

  PolicyTraits traits() const override {
    return {.name = "lacache",
            .protects = Protects::nothing,
            .position_only = true,
            .n_sink = std::max<int64_t>(start_, 0),
            .schedule = {Schedule::Kind::decode, 1},
            .positions = KeyPositions::cache};
  }

  Status check_budget(int64_t window, int64_t budget, int32_t n_layer) const override {
    (void)window;
    return check(budget, n_layer, false);
  }

  std::unique_ptr<LayerState> make_layer_state() const override {
    return std::make_unique<LayerState>();
  }

  int64_t kept_sinks(const LayerState* state) const override {
    return state != nullptr && state->values.size() == kStateSize ? state->values[kStart]
                                                                  : std::max<int64_t>(start_, 0);
  }

  Result<std::vector<int32_t>> select_positions(const LayerContext& context, int64_t n_entry,
                                                LayerState* state) const override {
    RESTKV_RETURN_IF_ERROR(check(context.budget, context.n_layer, context.strict));
    LayerState fresh;
    std::vector<int64_t>& values = (state != nullptr ? *state : fresh).values;
    const Rung rung = rung_of(span_, overlap_, context.n_layer);
    if (values.size() != kStateSize) values = first_state(context, n_entry);
    const int64_t budget = context.budget + (context.strict ? 0 : rung.dropped() / 2);
    if (n_entry <= budget) return climb({}, n_entry);
    // A state of another budget may lie beyond this one's end.
    const int64_t last_start = budget - context.n_layer - rung.kept;
    const int64_t start = std::clamp<int64_t>(values[kStart], 0, last_start);
    values[kCursor] = std::clamp(values[kCursor], start, budget - context.n_layer);
    return Cut{rung, start, budget, context, &values[kCursor]}.run(n_entry);
  }

 private:
  // What LayerState::values holds.
  enum { kCursor, kStart, kStateSize };

  // The budget must leave room behind the start and a row of layers, and one rung must fit there:
  // otherwise a round drops nothing.
  Status check(int64_t budget, int32_t n_layer, bool strict) const {
    const Rung rung = rung_of(span_, overlap_, n_layer);
    if (n_layer > 0 && rung.dropped() <= 0) {
      return Status::usage("--kv-span is " + std::to_string(span_) + " with --kv-overlap " +
                           std::to_string(overlap_) + ": too much for a model of " +
                           std::to_string(n_layer) + " layers, nothing would ever be dropped");
    }
    const int64_t growth = strict || n_layer == 0 ? 0 : rung.dropped() / 2;
    const int64_t start = std::max<int64_t>(start_, 0);
    const int64_t least = start + n_layer + std::max<int64_t>(1, rung.kept - growth);
    if (budget >= least) return {};
    return Status::capacity("--kv-budget is " + std::to_string(budget) + ", it must be at least " +
                            std::to_string(least) + " for LaCache with " + std::to_string(start) +
                            " protected entries and " + std::to_string(n_layer) + " layers");
  }

  // Without a start of the user's, that of the published LongBench run.
  std::vector<int64_t> first_state(const LayerContext& context, int64_t n_entry) const {
    const int64_t behind_layers = std::max<int64_t>(1, n_entry - context.n_layer - 1);
    const int64_t longbench =
        std::min({kMaxDefaultStart, behind_layers, context.budget - context.n_layer - 1});
    const int64_t start = start_ >= 0 ? start_ : longbench;
    return {start, start};
  }

  int64_t span_, overlap_, start_;
};

}  // namespace

PolicyResult make_lacache(const PolicyOptions& options) {
  RESTKV_RETURN_IF_ERROR(check_sinks(options));
  if (options.span < 1 || options.span > kMaxSpan) {
    return rejected_option("--kv-span", options.span, "from 1 to " + std::to_string(kMaxSpan));
  }
  if (options.overlap < 0 || options.overlap >= options.span) {
    return rejected_option("--kv-overlap", options.overlap,
                           "from 0 to below --kv-span, " + std::to_string(options.span));
  }
  return {std::make_unique<LaCache>(options)};
}

}  // namespace restkv
