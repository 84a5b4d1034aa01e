// StreamingLLM (arXiv 2309.17453; docs/policies.md, streaming-llm): the first entries, the
// attention sinks, and the last ones. No statistics; all heads alike.
#include <numeric>
#include <string>

#include "policy/factories.h"
#include "policy/options.h"

namespace restkv {
namespace {

constexpr int64_t kDefaultSinks = 4;

class StreamingLlm : public EvictionPolicy {
 public:
  explicit StreamingLlm(int64_t n_sink) : n_sink_(n_sink) {}

  PolicyTraits traits() const override {
    return {.name = "streaming-llm",
            .position_only = true,
            .n_sink = n_sink_,
            .positions = KeyPositions::cache};
  }

  // Everything of the budget that is not a sink.
  int64_t effective_window(int64_t window, int64_t budget) const override {
    (void)window;
    return budget - n_sink_;
  }

  Status check_budget(int64_t window, int64_t budget, int32_t n_layer) const override {
    (void)window, (void)n_layer;
    if (budget > n_sink_) return {};
    return Status::capacity("--kv-budget is " + std::to_string(budget) + ", it must be above the " +
                            std::to_string(n_sink_) + " sinks");
  }

  Result<std::vector<int32_t>> select_positions(const LayerContext& context, int64_t n_entry,
                                                LayerState* state) const override {
    (void)state;
    RESTKV_RETURN_IF_ERROR(check_budget(context.window, context.budget, context.n_layer));
    const int64_t n_kept = std::min(context.budget, n_entry);
    const int64_t n_first = std::min(n_sink_, n_kept);
    std::vector<int32_t> kept(static_cast<size_t>(n_kept));
    std::iota(kept.begin(), kept.begin() + n_first, 0);
    std::iota(kept.begin() + n_first, kept.end(),
              static_cast<int32_t>(n_entry - (n_kept - n_first)));
    return kept;
  }

 private:
  int64_t n_sink_;
};

}  // namespace

PolicyResult make_streaming_llm(const PolicyOptions& options) {
  RESTKV_RETURN_IF_ERROR(check_sinks(options));
  const int64_t n_sink = options.n_sink == -1 ? kDefaultSinks : options.n_sink;
  return {std::make_unique<StreamingLlm>(n_sink)};
}

}  // namespace restkv
