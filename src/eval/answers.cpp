#include "eval/answers.h"

#include <algorithm>
#include <optional>
#include <span>

#include "core/clock.h"
#include "engine/decode.h"
#include "scores/text.h"

namespace restkv {
namespace {

// One variant while its answer grows.
struct Open {
  size_t variant = 0;
  std::optional<Sequence> sequence;  // none: the answer is complete
  std::vector<int32_t> tokens;
};

class AnswerBatch {
 public:
  AnswerBatch(const Model& model, Compute& compute, const AnswersRequest& request)
      : model_(model),
        compute_(compute),
        request_(request),
        open_(request.reading.variants.size()) {
    answers_.of.resize(open_.size());
  }

  Result<Answers> run() {
    RESTKV_ASSIGN_OR_RETURN(VariantReading reading,
                            read_variants(model_, compute_, request_.reading));
    answers_.prefill_ms = reading.ms;
    answers_.caches = std::move(reading.caches);
    const double read = now_ms();
    bar_first_ends();
    for (size_t v = 0; v < open_.size(); ++v) {
      open_[v].variant = v;
      open_[v].sequence = std::move(reading.sequences[v]);
      take(&open_[v], likeliest(reading.logits(v), true));
    }
    while (n_open() > 0)
      RESTKV_RETURN_IF_ERROR(step());
    answers_.decode_ms = now_ms() - read;
    return std::move(answers_);
  }

 private:
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
  std::vector<float> logits_;
  std::vector<bool> barred_;
  Answers answers_;
};

}  // namespace

Result<Answers> answer_all(const Model& model, Compute& compute, const AnswersRequest& request) {
  return AnswerBatch(model, compute, request).run();
}

}  // namespace restkv
