#include "eval/answers.h"

#include <algorithm>
#include <optional>

#include "cache/storage.h"
#include "core/clock.h"
#include "engine/decode.h"
#include "scores/text.h"

namespace restkv {
namespace {

bool reads_alone(const CachePlan& plan) {
  return plan.repeats() && plan.schedule.kind == Schedule::Kind::chunk;
}

// One variant while its answer grows.
struct Open {
  size_t variant = 0;
  std::optional<Sequence> sequence;  // none: the answer is complete
  std::vector<int32_t> tokens;
  std::vector<float> first_logits;  // of a variant that read alone
};

class AnswerBatch {
 public:
  AnswerBatch(const Model& model, Compute& compute, const AnswersRequest& request)
      : model_(model), compute_(compute), request_(request), open_(request.variants.size()) {
    answers_.of.resize(open_.size());
    for (size_t v = 0; v < open_.size(); ++v)
      open_[v].variant = v;
  }

  Result<Answers> run() {
    const double start = now_ms();
    RESTKV_RETURN_IF_ERROR(read_together());
    for (Open& open : open_)
      if (!open.sequence) RESTKV_RETURN_IF_ERROR(read_alone(&open));
    answers_.prefill_ms = now_ms() - start;
    for (const Open& open : open_)
      describe_cache(open);
    const double read = now_ms();
    bar_first_ends();
    RESTKV_RETURN_IF_ERROR(take_first());
    while (n_open() > 0)
      RESTKV_RETURN_IF_ERROR(step());
    answers_.decode_ms = now_ms() - read;
    return std::move(answers_);
  }

 private:
  Result<PrefillResult> read(std::span<const std::shared_ptr<const CachePlan>> plans) {
    return prefill(model_, compute_,
                   {.tokens = request_.prompt,
                    .on_progress = request_.on_progress,
                    .attention = request_.attention},
                   plans, std::make_shared<KvMeter>());
  }

  Status read_together() {
    std::vector<std::shared_ptr<const CachePlan>> plans;
    std::vector<size_t> of;
    for (size_t v = 0; v < open_.size(); ++v) {
      if (reads_alone(*request_.variants[v].plan)) continue;
      plans.push_back(request_.variants[v].plan);
      of.push_back(v);
    }
    if (plans.empty()) return {};
    RESTKV_ASSIGN_OR_RETURN(PrefillResult result, read(plans));
    for (size_t i = 0; i < of.size(); ++i)
      open_[of[i]].sequence = std::move(result.sequences[i]);
    shared_logits_ = std::move(result.read.last_logits);
    return {};
  }

  Status read_alone(Open* open) {
    RESTKV_ASSIGN_OR_RETURN(PrefillResult result,
                            read({&request_.variants[open->variant].plan, 1}));
    open->sequence = std::move(result.sequences[0]);
    open->first_logits = std::move(result.read.last_logits);
    return {};
  }

  void describe_cache(const Open& open) {
    VariantAnswer& answer = answers_.of[open.variant];
    answer.n_entry = open.sequence->cache.n_entry();
    answer.over_budget = open.sequence->over_budget();
    answer.kv_bytes = open.sequence->cache.used_bytes();
    answer.eviction_ms = open.sequence->eviction_ms;
  }

  size_t n_open() const {
    return std::ranges::count_if(open_, [](const Open& o) { return o.sequence.has_value(); });
  }

  // What may not come first: the model's ends and, where a newline ends an answer, what begins with
  // one.
  void bar_first_ends() {
    const Tokenizer& tokenizer = model_.tokenizer();
    barred_.assign(tokenizer.n_vocab(), false);
    for (int32_t id = 0; id < tokenizer.n_vocab(); ++id) {
      barred_[id] = tokenizer.is_end(id) ||
                    (request_.stop_at_newline && tokenizer.piece(id).starts_with('\n'));
    }
  }

  int32_t likeliest(std::span<const float> logits, bool first) const {
    int32_t best = -1;
    for (int32_t id = 0; id < static_cast<int32_t>(logits.size()); ++id) {
      if (first && barred_[id]) continue;
      if (best < 0 || logits[id] > logits[best]) best = id;
    }
    return std::max(best, 0);
  }

  Status take_first() {
    for (Open& open : open_) {
      const std::vector<float>& own = open.first_logits;
      take(&open, likeliest(own.empty() ? shared_logits_ : own, true));
    }
    return {};
  }

  Status step() {
    std::vector<DecodeSlot> slots;
    std::vector<Open*> of;
    for (Open& open : open_) {
      if (!open.sequence) continue;
      slots.push_back({&*open.sequence, open.tokens.back()});
      of.push_back(&open);
    }
    RESTKV_RETURN_IF_ERROR(decode(model_, compute_, slots, &logits_));
    ++answers_.n_step;
    const size_t n_vocab = model_.hparams().n_vocab;
    for (size_t i = 0; i < of.size(); ++i)
      take(of[i], likeliest(std::span(logits_).subspan(i * n_vocab, n_vocab), false));
    return {};
  }

  void take(Open* open, int32_t token) {
    if (model_.tokenizer().is_end(token)) return finish(open, "stop");
    open->tokens.push_back(token);
    if (request_.stop_at_newline && model_.tokenizer().piece(token).find('\n') != std::string::npos)
      return finish(open, "stop");
    if (static_cast<int>(open->tokens.size()) >= request_.n_new) finish(open, "length");
  }

  void finish(Open* open, const char* reason) {
    VariantAnswer& answer = answers_.of[open->variant];
    std::string text = model_.tokenizer().text(open->tokens);
    if (request_.stop_at_newline) text.resize(std::min(text.find('\n'), text.size()));
    answer.text = encode_utf8(decode_utf8(text));
    answer.n_new = static_cast<int64_t>(open->tokens.size());
    answer.finish_reason = reason;
    open->sequence.reset();
  }

  const Model& model_;
  Compute& compute_;
  const AnswersRequest& request_;
  std::vector<Open> open_;
  std::vector<float> shared_logits_, logits_;
  std::vector<bool> barred_;
  Answers answers_;
};

}  // namespace

Result<Answers> answer_all(const Model& model, Compute& compute, const AnswersRequest& request) {
  return AnswerBatch(model, compute, request).run();
}

MemoryPlan plan_answers(const HParams& hp, const PlannedReading& reading, int n_new,
                        std::span<const Variant> variants) {
  std::vector<const CachePlan*> together;
  MemoryPlan memory, alone;
  size_t answer_bytes = size_t{2} * variants.size() * hp.n_vocab * sizeof(float);
  for (const Variant& variant : variants) {
    const CachePlan& plan = *variant.plan;
    answer_bytes += size_t(n_new) * hp.n_layer * plan.n_cached_head(hp) * 2 *
                    storage_row_bytes(plan.config.type, hp.head_dim);
    if (!reads_alone(plan)) {
      together.push_back(&plan);
      continue;
    }
    // A chunk behind a cut cache at a time; its cache stays while others read.
    PlannedReading chunk = reading;
    chunk.n_token = std::min(reading.n_token, plan.schedule.every);
    chunk.n_old = plan.config.budget;
    const CachePlan* one = &plan;
    const MemoryPlan need = plan_memory(hp, chunk, {&one, 1});
    memory.kv_peak_bytes += need.kv_peak_bytes;
    alone.hidden_bytes = std::max(alone.hidden_bytes, need.hidden_bytes);
    alone.work_bytes = std::max(alone.work_bytes, need.work_bytes);
  }
  if (!together.empty()) {
    const MemoryPlan need = plan_memory(hp, reading, together);
    memory.kv_peak_bytes += need.kv_peak_bytes;
    memory.hidden_bytes = need.hidden_bytes;
    memory.work_bytes = need.work_bytes;
  }
  memory.hidden_bytes = std::max(memory.hidden_bytes, alone.hidden_bytes);
  memory.work_bytes = std::max(memory.work_bytes, alone.work_bytes) + answer_bytes;
  return memory;
}

}  // namespace restkv
