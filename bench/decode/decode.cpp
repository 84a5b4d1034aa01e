#include "bench/decode/decode.h"

#include <algorithm>

#include "bench/common/take_back.h"
#include "bench/common/text.h"
#include "core/clock.h"
#include "engine/decode.h"
#include "engine/prefill.h"

namespace restkv::bench {
namespace {

constexpr int kWarmSteps = 4;  // whose logits are compared, too

using Plans = std::vector<std::shared_ptr<const CachePlan>>;
using Logits = std::vector<std::vector<float>>;  // [step][n_vocab]

// What follows the prompt is decoded again and again; every repetition begins with the same cache.
class DecodeRace {
 public:
  // text: the prompt, then the tokens to decode.
  DecodeRace(const Contest& contest, const Plans& plans, std::vector<int32_t> text, int n_step)
      : contest_(contest),
        plans_(plans),
        text_(std::move(text)),
        n_step_(n_step),
        n_prompt_(static_cast<int64_t>(text_.size()) - n_step),
        ours_(plans.size()) {}

  Status run() {
    RESTKV_RETURN_IF_ERROR(read());
    for (size_t i = 0; i < plans_.size(); ++i)
      RESTKV_RETURN_IF_ERROR(decode_ours(i, std::min(n_step_, kWarmSteps)).status());
    RESTKV_RETURN_IF_ERROR(decode_theirs(std::min(n_step_, kWarmSteps)).status());
    for (int r = 0; r < contest_.n_repeat; ++r) {
      contest_.say("decoding after " + std::to_string(n_prompt_) + " tokens, repetition " +
                   std::to_string(r + 1));
      for (size_t i = 0; i < plans_.size(); ++i) {
        RESTKV_ASSIGN_OR_RETURN(ours_[i].emplace_back(), decode_ours(i, n_step_));
      }
      RESTKV_ASSIGN_OR_RETURN(theirs_.emplace_back(), decode_theirs(n_step_));
    }
    contest_.libllama->end();
    return {};
  }

  Result<DecodeRow> row(size_t i) const {
    const std::vector<CacheConfig>& configs = contest_.configs;
    DecodeRow row{.policy = i < configs.size() ? configs[i].policy.name : "full",
                  .cache_tokens = n_prompt_};
    row.restkv = spread_of(ours_[i]);
    row.libllama = spread_of(theirs_);
    row.ratio = ratio_of(ours_[i], theirs_);
    row.entries = entries_[i];
    RESTKV_ASSIGN_OR_RETURN(row.planned,
                            planned_entries(*plans_[i], contest_.model.hparams(), n_prompt_));
    row.agreement = {.same_top = true};
    for (size_t s = 0; s < their_logits_.size(); ++s)
      row.agreement = worse(row.agreement, compare_logits(their_logits_[s], full_logits_[s]));
    row.counts = row.agreement.ok() && kept_as_planned(*plans_[i], row.entries, row.planned);
    return row;
  }

 private:
  std::span<const int32_t> prompt() const { return std::span(text_).first(n_prompt_); }

  Status read() {
    contest_.say("reading " + std::to_string(n_prompt_) + " tokens, restkv");
    RESTKV_ASSIGN_OR_RETURN(PrefillResult result,
                            prefill(contest_.model, contest_.compute, {.tokens = prompt()}, plans_,
                                    std::make_shared<KvMeter>()));
    sequences_ = std::move(result.sequences);
    for (const Sequence& sequence : sequences_)
      entries_.push_back(sequence.cache.n_entry());
    contest_.say("reading " + std::to_string(n_prompt_) + " tokens, libllama");
    RESTKV_RETURN_IF_ERROR(contest_.libllama->begin(n_prompt_ + n_step_));
    return contest_.libllama->read(prompt());
  }

  // Tokens/s.
  Result<double> decode_ours(size_t i, int n_step) {
    Sequence& sequence = sequences_[i];
    const bool checks = plans_[i]->traits.keeps_all && full_logits_.empty();
    std::vector<float> logits;
    double total_ms = 0;
    for (int s = 0; s < n_step; ++s) {
      const DecodeSlot slot{&sequence, text_[n_prompt_ + s]};
      const double start = now_ms();
      RESTKV_RETURN_IF_ERROR(decode(contest_.model, contest_.compute, {&slot, 1}, &logits));
      total_ms += now_ms() - start;
      if (checks) full_logits_.push_back(logits);
    }
    RESTKV_RETURN_IF_ERROR(take_back(n_step, &sequence));
    return 1e3 * n_step / total_ms;
  }

  Result<double> decode_theirs(int n_step) {
    Libllama& llama = *contest_.libllama;
    const bool checks = their_logits_.empty();
    double total_ms = 0;
    for (int s = 0; s < n_step; ++s) {
      const double start = now_ms();
      RESTKV_RETURN_IF_ERROR(llama.read({&text_[n_prompt_ + s], 1}));
      total_ms += now_ms() - start;
      if (checks) their_logits_.emplace_back(llama.logits().begin(), llama.logits().end());
    }
    RESTKV_RETURN_IF_ERROR(llama.keep_first(n_prompt_));
    return 1e3 * n_step / total_ms;
  }

  const Contest& contest_;
  const Plans& plans_;
  const std::vector<int32_t> text_;
  const int n_step_;
  const int64_t n_prompt_;
  std::vector<Sequence> sequences_;        // as plans
  std::vector<int64_t> entries_;           // as plans, behind the prompt
  std::vector<std::vector<double>> ours_;  // as plans, [repetition] tokens/s
  std::vector<double> theirs_;
  Logits full_logits_, their_logits_;
};

// The configurations' plans, one of the full cache among them.
Result<Plans> plans_with_full(const Contest& contest) {
  RESTKV_ASSIGN_OR_RETURN(Plans plans, contest.plans());
  const auto is_full = [](const auto& plan) { return plan->traits.keeps_all; };
  if (std::ranges::none_of(plans, is_full)) {
    RESTKV_ASSIGN_OR_RETURN(plans.emplace_back(), CachePlan::make(full_config()));
  }
  return plans;
}

}  // namespace

Result<std::vector<DecodeRow>> run_decode(const Contest& contest,
                                          std::span<const int64_t> cache_tokens, int n_step) {
  RESTKV_ASSIGN_OR_RETURN(const Plans plans, plans_with_full(contest));
  std::vector<DecodeRow> rows;
  for (const int64_t n : cache_tokens) {
    RESTKV_ASSIGN_OR_RETURN(
        std::vector<int32_t> text,
        prompt_of(contest.model.tokenizer(), contest.text, std::max<int64_t>(n, 1) + n_step));
    DecodeRace race(contest, plans, std::move(text), n_step);
    RESTKV_RETURN_IF_ERROR(race.run());
    for (size_t i = 0; i < plans.size(); ++i) {
      RESTKV_ASSIGN_OR_RETURN(rows.emplace_back(), race.row(i));
    }
  }
  return rows;
}

}  // namespace restkv::bench
