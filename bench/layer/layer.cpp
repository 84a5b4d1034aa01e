#include "bench/layer/layer.h"

#include <algorithm>

#include "bench/common/agreement.h"
#include "bench/common/contest.h"
#include "bench/common/take_back.h"
#include "bench/layer/layer_model.h"
#include "bench/layer/layer_prefill.h"
#include "bench/layer/layer_state.h"
#include "core/clock.h"
#include "engine/decode.h"
#include "engine/memory_plan.h"

namespace restkv::bench {
namespace {

// Policies that look at all queries hold them, and some multiply them with all keys.
constexpr int64_t kMostObserved = 16384;

// Plans under the names that they were asked for by: a preset's plan has its policy's.
struct Contenders {
  std::vector<std::string> names{};
  Plans plans{};

  void add(const std::string& name, const std::shared_ptr<const CachePlan>& plan) {
    names.push_back(name);
    plans.push_back(plan);
  }
};

class LayerRun {
 public:
  LayerRun(const LayerScenario& scenario, const Model& model, Compute& compute, int64_t n_token,
           Contenders contenders)
      : scenario_(scenario),
        model_(model),
        hp_(model.hparams()),
        compute_(compute),
        n_token_(n_token),
        names_(std::move(contenders.names)),
        plans_(std::move(contenders.plans)),
        sequences_(plans_.size()),
        eviction_ms_(plans_.size()),
        decode_ms_(plans_.size()) {}

  Status run() {
    RESTKV_RETURN_IF_ERROR(check_memory());
    if (scenario_.prefill) {
      const LayerPrompt prompt{.n_token = n_token_,
                               .say = [this](const std::string& what) { say(what); }};
      RESTKV_ASSIGN_OR_RETURN(prefill_, sample_prefill(model_, compute_, prompt, scenario_.sparse));
    }
    RESTKV_RETURN_IF_ERROR(evict());
    return decode_all();
  }

  const std::vector<LayerPrefill>& prefill() const { return prefill_; }

  Result<LayerRow> row(size_t i) const {
    const CachePlan& plan = *plans_[i];
    const double n_head = hp_.n_layer * plan.n_cached_head(hp_);
    LayerRow row{.policy = names_[i], .n_token = n_token_};
    row.eviction_ms = spread_of(eviction_ms_[i]);
    row.decode_ms = spread_of(decode_ms_[i]);
    row.full_to_policy = ratio_of(decode_ms_[0], decode_ms_[i]);
    if (!prefill_.empty()) row.prefill_ms = prefill_[0].ms;
    RESTKV_ASSIGN_OR_RETURN(const int64_t planned, planned_entries(plan, hp_, n_token_));
    row.entries = static_cast<double>(entries_[i]) / n_head;
    row.planned = static_cast<double>(planned) / n_head;
    row.counts = kept_as_planned(plan, entries_[i], planned);
    row.recall = recall_[i];
    row.weight_bytes =
        static_cast<int64_t>(ggml_row_size(scenario_.weights, layer_weights(scenario_.shape)));
    row.kv_bytes = static_cast<int64_t>(kv_bytes_[i]) / hp_.n_layer;
    row.kv_full_bytes = layer_bytes();
    row.bound_ms = static_cast<double>(row.weight_bytes + row.kv_bytes) /
                   std::max(scenario_.read_gb_per_s, 1e-9) * 1e-6;
    extrapolate(plan, &row);
    row.paper = paper_figure(scenario_.shape.name, row.policy, n_token_);
    return row;
  }

 private:
  int64_t layer_bytes() const { return int64_t{4} * hp_.n_head_kv * hp_.head_dim * n_token_; }

  void say(const std::string& what) const {
    if (scenario_.on_step) scenario_.on_step(std::to_string(n_token_) + " tokens: " + what);
  }

  // Scratch, keys before RoPE, the full cache of every layer and, as it is cut, another.
  Status check_memory() const {
    const auto needed = static_cast<size_t>(layer_bytes()) * (3 + 2 * hp_.n_layer);
    const std::optional<size_t> available = available_memory();
    if (!available || needed <= *available) return {};
    return Status::capacity(std::to_string(n_token_) + " tokens need " +
                            std::to_string(needed >> 20) + " MiB, " +
                            std::to_string(*available >> 20) + " MiB are available");
  }

  // The scratch is gone when this is done.
  Status evict() {
    say("writing keys and values");
    RESTKV_ASSIGN_OR_RETURN(const auto layer,
                            SyntheticLayer::create(model_, compute_, n_token_, plans_));
    for (int r = 0; r < scenario_.n_repeat; ++r) {
      for (size_t i = 0; i < plans_.size(); ++i) {
        say("eviction, " + names_[i]);
        sequences_[i] = {};
        const double start = now_ms();
        RESTKV_ASSIGN_OR_RETURN(sequences_[i], layer->cut(plans_[i]));
        eviction_ms_[i].push_back((now_ms() - start) / hp_.n_layer);
      }
    }
    for (const Sequence& sequence : sequences_) {
      entries_.push_back(sequence.cache.n_entry());
      kv_bytes_.push_back(sequence.cache.used_bytes());
      recall_.push_back(planted_recall(sequence.cache, n_token_));
    }
    return {};
  }

  Status decode_all() {
    for (Sequence& sequence : sequences_)
      RESTKV_RETURN_IF_ERROR(decode_some(2, &sequence).status());
    for (int r = 0; r < scenario_.n_repeat; ++r) {
      for (size_t i = 0; i < plans_.size(); ++i) {
        say("decoding, " + names_[i]);
        RESTKV_ASSIGN_OR_RETURN(const double ms, decode_some(scenario_.n_step, &sequences_[i]));
        decode_ms_[i].push_back(ms / hp_.n_layer);
      }
    }
    return {};
  }

  // Milliseconds of a token, all layers.
  Result<double> decode_some(int n_step, Sequence* sequence) {
    std::vector<float> logits;
    const double start = now_ms();
    for (int s = 0; s < n_step; ++s) {
      const DecodeSlot slot{sequence, s % static_cast<int>(hp_.n_vocab - 1)};
      RESTKV_RETURN_IF_ERROR(decode(model_, compute_, {&slot, 1}, &logits));
    }
    const double total_ms = now_ms() - start;
    RESTKV_RETURN_IF_ERROR(take_back(n_step, sequence));
    return total_ms / n_step;
  }

  void extrapolate(const CachePlan& plan, LayerRow* row) const {
    const LayerShape& shape = scenario_.shape;
    const double n_layer = shape.n_layer;
    row->decode_s = row->decode_ms.median * n_layer * 1e-3;
    if (scenario_.prefill) {
      row->prefill_s = (row->prefill_ms + row->eviction_ms.median) * n_layer * 1e-3;
    }
    HParams hp = hp_;
    hp.n_layer = shape.n_layer;
    hp.n_vocab = shape.n_vocab;
    const CachePlan* one = &plan;
    const int64_t table = int64_t{shape.n_vocab} * shape.n_embd;
    row->peak_bytes = static_cast<double>(plan_memory(hp,
                                                      {.n_token = n_token_,
                                                       .kernels = compute_.kernels(),
                                                       .n_threads = compute_.n_threads()},
                                                      {&one, 1})
                                              .total_bytes()) +
                      static_cast<double>(row->weight_bytes) * n_layer +
                      static_cast<double>(ggml_row_size(scenario_.weights, table));
  }

  const LayerScenario& scenario_;
  const Model& model_;
  const HParams& hp_;
  Compute& compute_;
  const int64_t n_token_;
  const std::vector<std::string> names_;
  const Plans plans_;                // the full cache first
  std::vector<Sequence> sequences_;  // as plans, like all below
  std::vector<std::vector<double>> eviction_ms_, decode_ms_;
  std::vector<int64_t> entries_;
  std::vector<size_t> kv_bytes_;
  std::vector<double> recall_;
  std::vector<LayerPrefill> prefill_;
};

bool tells_layers_apart(const CachePlan& plan) {
  return !plan.policy->applies_to_layer(0) || plan.traits.name == "lacache" ||
         plan.layer_budget.kind != LayerBudget::Kind::uniform;
}

Result<Contenders> make_contenders(const LayerScenario& scenario) {
  Contenders contenders;
  RESTKV_ASSIGN_OR_RETURN(const auto full, CachePlan::make(full_config()));
  contenders.add("full", full);
  for (const CacheConfig& config : scenario.configs) {
    RESTKV_ASSIGN_OR_RETURN(auto plan, CachePlan::make(config));
    if (plan->traits.keeps_all) continue;
    if (tells_layers_apart(*plan)) {
      return Status::usage("--policies names " + config.policy.name +
                           ", which tells layers apart; here all layers are alike");
    }
    contenders.add(config.policy.name, plan);
  }
  return contenders;
}

// Those that can be measured at this length; the others are noted.
Contenders choose(const Contenders& all, int64_t n_token, std::vector<std::string>* notes) {
  Contenders chosen;
  for (size_t i = 0; i < all.plans.size(); ++i) {
    if (!all.plans[i]->observes_all() || n_token <= kMostObserved) {
      chosen.add(all.names[i], all.plans[i]);
      continue;
    }
    notes->push_back(all.names[i] + " looks at all queries and is left out at " +
                     std::to_string(n_token) + " tokens; here it is measured up to " +
                     std::to_string(kMostObserved) + ".");
  }
  return chosen;
}

}  // namespace

Result<LayerResult> run_layer(const LayerScenario& scenario) {
  RESTKV_ASSIGN_OR_RETURN(const Contenders all, make_contenders(scenario));
  if (scenario.on_step) scenario.on_step("writing weights");
  RESTKV_ASSIGN_OR_RETURN(const auto model,
                          make_layer_model(scenario.shape, scenario.weights, scenario.kernels));
  RESTKV_ASSIGN_OR_RETURN(const auto compute,
                          Compute::create(scenario.n_threads, nullptr, scenario.kernels));
  for (const auto& plan : all.plans)
    RESTKV_RETURN_IF_ERROR(plan->check_model(model->hparams()));
  LayerResult result{.n_measured_layer = static_cast<int>(model->hparams().n_layer)};
  for (const int64_t n : scenario.contexts) {
    const Contenders contenders = choose(all, n, &result.notes);
    LayerRun run(scenario, *model, *compute, n, contenders);
    RESTKV_RETURN_IF_ERROR(run.run());
    for (size_t i = 0; i < contenders.plans.size(); ++i) {
      RESTKV_ASSIGN_OR_RETURN(result.rows.emplace_back(), run.row(i));
    }
    result.prefill.insert(result.prefill.end(), run.prefill().begin(), run.prefill().end());
  }
  return result;
}

}  // namespace restkv::bench
