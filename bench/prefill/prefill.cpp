#include "bench/prefill/prefill.h"

#include <algorithm>

#include "bench/common/text.h"
#include "core/clock.h"
#include "engine/prefill.h"
#include "sparse/pattern.h"

namespace restkv::bench {
namespace {

constexpr int64_t kWarmTokens = 64;

using Plans = std::vector<std::shared_ptr<const CachePlan>>;

struct Samples {
  std::vector<double> speed, share;
  std::vector<float> logits;
  double block_share = 1;
  int64_t entries = 0;
};

class PrefillRace {
 public:
  PrefillRace(const Contest& contest, const Plans& plans, std::vector<int32_t> prompt,
              const PrefillAttention& attention)
      : contest_(contest),
        plans_(plans),
        attention_(attention),
        prompt_(std::move(prompt)),
        ours_(plans.size()),
        dense_(plans.size()) {}

  Status run() {
    RESTKV_RETURN_IF_ERROR(warm_up());
    for (int r = 0; r < contest_.n_repeat; ++r) {
      for (size_t i = 0; i < plans_.size(); ++i)
        RESTKV_RETURN_IF_ERROR(read_both(i));
      if (has_contender()) RESTKV_RETURN_IF_ERROR(read_theirs(prompt_, &theirs_));
    }
    return {};
  }

  Result<PrefillRow> row(size_t i) const {
    const CachePlan& plan = *plans_[i];
    const Samples& ours = ours_[i];
    PrefillRow row{.policy = contest_.configs[i].policy.name, .prompt_tokens = n_token()};
    row.restkv = spread_of(ours.speed);
    row.has_contender = has_contender();
    if (row.has_contender) {
      row.libllama = spread_of(theirs_.speed);
      row.ratio = ratio_of(ours.speed, theirs_.speed);
    }
    row.has_dense = is_sparse();
    if (row.has_dense) {
      row.dense = spread_of(dense_[i].speed);
      row.to_dense = ratio_of(ours.speed, dense_[i].speed);
    }
    row.eviction_share = spread_of(ours.share);
    row.block_share = ours.block_share;
    row.entries = ours.entries;
    RESTKV_ASSIGN_OR_RETURN(row.planned,
                            planned_entries(plan, contest_.model.hparams(), n_token()));
    row.counts = kept_as_planned(plan, row.entries, row.planned);
    if (has_contender()) {
      RESTKV_ASSIGN_OR_RETURN(const std::vector<float> logits, full_logits(plan, ours));
      row.agreement = compare_logits(theirs_.logits, logits);
      row.counts = row.counts && (is_sparse() || row.agreement->ok());
    } else if (is_sparse()) {
      row.agreement = compare_logits(dense_[i].logits, ours.logits);
    }
    return row;
  }

 private:
  int64_t n_token() const { return static_cast<int64_t>(prompt_.size()); }

  bool has_contender() const { return contest_.libllama != nullptr; }
  bool is_sparse() const { return attention_.kind != PrefillAttention::Kind::dense; }

  // Pages of the weights, threads: whoever runs first would pay for both.
  Status warm_up() {
    const auto n = static_cast<size_t>(std::min(n_token(), kWarmTokens));
    const std::span<const int32_t> few = std::span(prompt_).first(n);
    RESTKV_RETURN_IF_ERROR(prefill(contest_.model, contest_.compute,
                                   {.tokens = few, .attention = attention_}, {},
                                   std::make_shared<KvMeter>())
                               .status());
    Samples unused;
    return has_contender() ? read_theirs(few, &unused) : Status();
  }

  // With this attention and, where it leaves blocks out, densely.
  Status read_both(size_t i) {
    if (is_sparse()) RESTKV_RETURN_IF_ERROR(read_ours(i, {}, &dense_[i]));
    return read_ours(i, attention_, &ours_[i]);
  }

  Status read_ours(size_t i, const PrefillAttention& attention, Samples* into) {
    contest_.say("prefill of " + std::to_string(n_token()) + " tokens, " +
                 contest_.configs[i].policy.name + ", " +
                 std::string(sparse::pattern_name(attention.kind)));
    RESTKV_ASSIGN_OR_RETURN(
        PrefillResult result,
        prefill(contest_.model, contest_.compute, {.tokens = prompt_, .attention = attention},
                {&plans_[i], 1}, std::make_shared<KvMeter>()));
    Samples& samples = *into;
    samples.speed.push_back(1e3 * static_cast<double>(n_token()) / result.read.total_ms);
    samples.share.push_back(result.sequences[0].eviction_ms / result.read.total_ms);
    samples.block_share = result.read.blocks.share();
    samples.entries = result.sequences[0].cache.n_entry();
    samples.logits = std::move(result.read.last_logits);
    return {};
  }

  Status read_theirs(std::span<const int32_t> tokens, Samples* samples) {
    Libllama& llama = *contest_.libllama;
    contest_.say("prefill of " + std::to_string(n_token()) + " tokens, libllama");
    RESTKV_RETURN_IF_ERROR(llama.begin(static_cast<int64_t>(tokens.size())));
    const double start = now_ms();
    RESTKV_RETURN_IF_ERROR(llama.read(tokens));
    samples->speed.push_back(1e3 * static_cast<double>(tokens.size()) / (now_ms() - start));
    samples->logits.assign(llama.logits().begin(), llama.logits().end());
    llama.end();
    return {};
  }

  // What is evicted behind a layer's reading leaves the prompt's own logits as they are; chunks do
  // not, and are read again without a cut.
  Result<std::vector<float>> full_logits(const CachePlan& plan, const Samples& ours) const {
    if (plan.schedule.kind != Schedule::Kind::chunk) return ours.logits;
    RESTKV_ASSIGN_OR_RETURN(
        PrefillResult result,
        prefill(contest_.model, contest_.compute, {.tokens = prompt_, .attention = attention_}, {},
                std::make_shared<KvMeter>()));
    return std::move(result.read.last_logits);
  }

  const Contest& contest_;
  const Plans& plans_;
  const PrefillAttention attention_;
  const std::vector<int32_t> prompt_;
  std::vector<Samples> ours_, dense_;  // as plans; dense_: where attention_ is sparse
  Samples theirs_;
};

}  // namespace

Result<std::vector<PrefillRow>> run_prefill(const Contest& contest,
                                            std::span<const int64_t> prompt_tokens,
                                            const PrefillAttention& attention) {
  RESTKV_ASSIGN_OR_RETURN(const Plans plans, contest.plans());
  std::vector<PrefillRow> rows;
  for (const int64_t n : prompt_tokens) {
    RESTKV_ASSIGN_OR_RETURN(std::vector<int32_t> prompt,
                            prompt_of(contest.model.tokenizer(), contest.text, n));
    PrefillRace race(contest, plans, std::move(prompt), attention);
    RESTKV_RETURN_IF_ERROR(race.run());
    for (size_t i = 0; i < plans.size(); ++i) {
      RESTKV_ASSIGN_OR_RETURN(rows.emplace_back(), race.row(i));
    }
  }
  return rows;
}

}  // namespace restkv::bench
