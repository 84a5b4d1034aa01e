#include "bench/eviction/eviction.h"

#include <algorithm>

#include "engine/prefill.h"

namespace restkv::bench {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

std::vector<int32_t> prompt_of(const std::vector<int32_t>& text, int64_t n) {
  std::vector<int32_t> prompt(n);
  for (int64_t i = 0; i < n; ++i)
    prompt[i] = text[i % text.size()];
  return prompt;
}

struct Samples {
  std::vector<double> eviction_ms, prefill_ms;
  int64_t entries = 0;
};

// One reading; every configuration's own eviction is timed.
Status sample(const Model& model, Compute& compute, const std::vector<int32_t>& prompt,
              std::span<const std::shared_ptr<const CachePlan>> plans,
              std::vector<Samples>* samples) {
  RESTKV_ASSIGN_OR_RETURN(const PrefillResult result, prefill(model, compute, {.tokens = prompt},
                                                              plans, std::make_shared<KvMeter>()));
  const double reading_ms = result.read.total_ms - result.read.eviction_ms;
  for (size_t i = 0; i < plans.size(); ++i) {
    const Sequence& sequence = result.sequences[i];
    (*samples)[i].eviction_ms.push_back(sequence.eviction_ms);
    (*samples)[i].prefill_ms.push_back(reading_ms + sequence.eviction_ms);
    (*samples)[i].entries = sequence.cache.n_entry();
  }
  return {};
}

}  // namespace

Result<std::vector<EvictionTime>> run_eviction(const Model& model, Compute& compute,
                                               const EvictionScenario& scenario) {
  std::vector<std::shared_ptr<const CachePlan>> plans;
  for (const CacheConfig& config : scenario.configs) {
    RESTKV_ASSIGN_OR_RETURN(plans.emplace_back(), CachePlan::make(config));
  }
  std::vector<EvictionTime> times;
  for (const int64_t n : scenario.prompt_tokens) {
    const std::vector<int32_t> prompt = prompt_of(scenario.text, n);
    std::vector<Samples> samples(plans.size());
    for (int r = 0; r < scenario.n_repeat; ++r)
      RESTKV_RETURN_IF_ERROR(sample(model, compute, prompt, plans, &samples));
    for (size_t i = 0; i < plans.size(); ++i) {
      const Samples& s = samples[i];
      const auto [min, max] = std::minmax_element(s.eviction_ms.begin(), s.eviction_ms.end());
      times.push_back({scenario.configs[i].policy.name, n, median(s.eviction_ms), *min, *max,
                       median(s.prefill_ms), s.entries});
    }
  }
  return times;
}

}  // namespace restkv::bench
