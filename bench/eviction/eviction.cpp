#include "bench/eviction/eviction.h"

#include "bench/common/agreement.h"
#include "bench/common/text.h"
#include "engine/prefill.h"

namespace restkv::bench {
namespace {

using Plans = std::vector<std::shared_ptr<const CachePlan>>;

struct Samples {
  std::vector<double> eviction_ms, prefill_ms, share;
  int64_t entries = 0;
};

// One reading; every configuration's own eviction is timed.
Status sample(const Contest& contest, const std::vector<int32_t>& prompt, const Plans& plans,
              std::vector<Samples>* samples) {
  contest.say("eviction after " + std::to_string(prompt.size()) + " tokens");
  RESTKV_ASSIGN_OR_RETURN(const PrefillResult result,
                          prefill(contest.model, contest.compute, {.tokens = prompt}, plans,
                                  std::make_shared<KvMeter>()));
  const double reading_ms = result.read.total_ms - result.read.eviction_ms;
  for (size_t i = 0; i < plans.size(); ++i) {
    const Sequence& sequence = result.sequences[i];
    Samples& s = (*samples)[i];
    s.eviction_ms.push_back(sequence.eviction_ms);
    s.prefill_ms.push_back(reading_ms + sequence.eviction_ms);
    s.share.push_back(sequence.eviction_ms / s.prefill_ms.back());
    s.entries = sequence.cache.n_entry();
  }
  return {};
}

}  // namespace

Result<std::vector<EvictionRow>> run_eviction(const Contest& contest,
                                              std::span<const int64_t> prompt_tokens) {
  RESTKV_ASSIGN_OR_RETURN(const Plans plans, contest.plans());
  std::vector<EvictionRow> rows;
  for (const int64_t n : prompt_tokens) {
    RESTKV_ASSIGN_OR_RETURN(const std::vector<int32_t> prompt,
                            prompt_of(contest.model.tokenizer(), contest.text, n));
    std::vector<Samples> samples(plans.size());
    for (int r = 0; r < contest.n_repeat; ++r)
      RESTKV_RETURN_IF_ERROR(sample(contest, prompt, plans, &samples));
    for (size_t i = 0; i < plans.size(); ++i) {
      const Samples& s = samples[i];
      EvictionRow row{.policy = contest.configs[i].policy.name, .prompt_tokens = n};
      row.eviction_ms = spread_of(s.eviction_ms);
      row.prefill_ms = spread_of(s.prefill_ms);
      row.share = spread_of(s.share);
      row.to_first = ratio_of(s.eviction_ms, samples[0].eviction_ms);
      row.entries = s.entries;
      RESTKV_ASSIGN_OR_RETURN(row.planned, planned_entries(*plans[i], contest.model.hparams(), n));
      row.counts = kept_as_planned(*plans[i], row.entries, row.planned);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace restkv::bench
