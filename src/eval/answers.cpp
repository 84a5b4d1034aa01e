#include "eval/answers.h"

#include <algorithm>
#include <span>

#include "core/clock.h"
#include "engine/decode.h"
#include "scores/text.h"

namespace restkv {
namespace {

// One variant while its answer grows.
struct Open {
  size_t variant = 0;
  Sequence* sequence = nullptr;  // null: the answer is complete
  std::vector<int32_t> tokens;
  bool unread = false;  // the last of them: it is in no cache yet
};

class AnswerBatch {
 public:
  // keeps: the sequences outlive their answers; otherwise each is freed with its answer's end.
  AnswerBatch(const Model& model, Compute& compute, const AnswersRequest& request, bool keeps)
      : model_(model),
        compute_(compute),
        request_(request),
        keeps_(keeps),
        open_(request.reading.variants.size()) {
    answers_.of.resize(open_.size());
  }

  Result<Answers> run(VariantReading* reading) {
    const double start = now_ms();
    bar_first_ends();
    for (size_t v = 0; v < open_.size(); ++v) {
      open_[v].variant = v;
      open_[v].sequence = &reading->sequences[v];
      take(&open_[v], likeliest(reading->logits(v), true));
    }
    while (n_open() > 0)
      RESTKV_RETURN_IF_ERROR(step());
    answers_.decode_ms = now_ms() - start;
    return std::move(answers_);
  }

 private:
  size_t n_open() const {
    return std::ranges::count_if(open_, [](const Open& o) { return o.sequence != nullptr; });
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
      slots.push_back({open.sequence, open.tokens.back()});
      open.unread = false;
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
    open->unread = true;
    if (request_.stop_at_newline && model_.tokenizer().piece(token).find('\n') != std::string::npos)
      return finish(open, "stop");
    if (!request_.stop.empty() && end_of(written(*open)) != std::string::npos)
      return finish(open, "stop");
    if (static_cast<int>(open->tokens.size()) >= request_.n_new) finish(open, "length");
  }

  std::string written(const Open& open) const {
    if (request_.stop.empty()) return model_.tokenizer().text(open.tokens);
    std::string text;
    for (const int32_t token : open.tokens)
      text += model_.tokenizer().piece(token);
    return text;
  }

  // Where the first of the texts that end an answer begins; npos: none is there.
  size_t end_of(const std::string& text) const {
    size_t end = request_.stop_at_newline ? text.find('\n') : std::string::npos;
    for (const std::string& stop : request_.stop)
      end = std::min(end, text.find(stop));
    return end;
  }

  void finish(Open* open, const char* reason) {
    VariantAnswer& answer = answers_.of[open->variant];
    std::string text = written(*open);
    text.resize(std::min(end_of(text), text.size()));
    answer.text = encode_utf8(decode_utf8(text));
    answer.n_new = static_cast<int64_t>(open->tokens.size());
    answer.finish_reason = reason;
    if (open->unread) answer.unread = {open->tokens.back()};
    if (!keeps_) *open->sequence = Sequence();
    open->sequence = nullptr;
  }

  const Model& model_;
  Compute& compute_;
  const AnswersRequest& request_;
  const bool keeps_;
  std::vector<Open> open_;
  std::vector<float> logits_;
  std::vector<bool> barred_;
  Answers answers_;
};

}  // namespace

Result<Answers> answer_all(const Model& model, Compute& compute, const AnswersRequest& request) {
  RESTKV_ASSIGN_OR_RETURN(VariantReading reading, read_variants(model, compute, request.reading));
  RESTKV_ASSIGN_OR_RETURN(Answers answers,
                          AnswerBatch(model, compute, request, /*keeps=*/false).run(&reading));
  answers.prefill_ms = reading.ms;
  answers.caches = std::move(reading.caches);
  return answers;
}

Result<Answers> answer_behind(const Model& model, Compute& compute, const AnswersRequest& request,
                              VariantReading* reading) {
  return AnswerBatch(model, compute, request, /*keeps=*/true).run(reading);
}

}  // namespace restkv
