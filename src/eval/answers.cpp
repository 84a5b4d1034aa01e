#include "eval/answers.h"

#include <algorithm>
#include <span>

#include "core/clock.h"
#include "core/likeliest.h"
#include "engine/decode.h"
#include "scores/text.h"

namespace restkv {
namespace {

// One variant while its answer grows.
struct Open {
  const AnswersRequest* request = nullptr;
  Answers* answers = nullptr;
  size_t variant = 0;
  Sequence* sequence = nullptr;  // null: the answer is complete
  std::vector<int32_t> tokens{};
  bool unread = false;  // the last of them: it is in no cache yet
};

class AnswerBatch {
 public:
  // keeps: the sequences outlive their answers; otherwise each is freed with its answer's end.
  AnswerBatch(const Model& model, Compute& compute, bool keeps)
      : model_(model), compute_(compute), keeps_(keeps) {}

  // All of them must outlive the batch.
  void add(const AnswersRequest& request, VariantReading* reading, Answers* answers) {
    const std::vector<bool> barred = barred_first(request);
    answers->of.resize(request.reading.variants.size());
    for (size_t v = 0; v < answers->of.size(); ++v) {
      Open& open = open_.emplace_back(Open{&request, answers, v, &reading->sequences[v]});
      take(&open, likeliest_but(barred, reading->logits(v)));
    }
  }

  Status run() {
    while (std::ranges::any_of(open_, [](const Open& o) { return o.sequence != nullptr; }))
      RESTKV_RETURN_IF_ERROR(step());
    return {};
  }

 private:
  // What may not come first: the model's ends and, where a newline ends an answer, what begins with
  // one.
  std::vector<bool> barred_first(const AnswersRequest& request) const {
    const Tokenizer& tokenizer = model_.tokenizer();
    std::vector<bool> barred(tokenizer.n_vocab());
    for (int32_t id = 0; id < tokenizer.n_vocab(); ++id) {
      barred[id] = tokenizer.is_end(id) ||
                   (request.stop_at_newline && tokenizer.piece(id).starts_with('\n'));
    }
    return barred;
  }

  static int32_t likeliest_but(const std::vector<bool>& barred, std::span<const float> logits) {
    int32_t best = -1;
    for (int32_t id = 0; id < static_cast<int32_t>(logits.size()); ++id) {
      if (barred[id]) continue;
      if (best < 0 || logits[id] > logits[best]) best = id;
    }
    return std::max(best, 0);
  }

  Status step() {
    const double start = now_ms();
    std::vector<DecodeSlot> slots;
    std::vector<Open*> of;
    for (Open& open : open_) {
      if (!open.sequence) continue;
      slots.push_back({open.sequence, open.tokens.back()});
      open.unread = false;
      of.push_back(&open);
    }
    RESTKV_RETURN_IF_ERROR(decode(model_, compute_, slots, &logits_));
    const size_t n_vocab = model_.hparams().n_vocab;
    std::vector<int32_t> next(of.size());
    compute_.workers().for_each(std::ssize(of), [&](int64_t i, int) {
      next[i] = likeliest(std::span(logits_).subspan(i * n_vocab, n_vocab));
    });
    for (size_t i = 0; i < of.size(); ++i)
      take(of[i], next[i]);
    share_out(of, now_ms() - start);
    return {};
  }

  // A step's time is that of all who took part.
  static void share_out(const std::vector<Open*>& of, double ms) {
    const Answers* last = nullptr;
    for (Open* open : of) {
      open->answers->decode_ms += ms / static_cast<double>(of.size());
      if (open->answers != last) ++open->answers->n_step;
      last = open->answers;
    }
  }

  void take(Open* open, int32_t token) const {
    const AnswersRequest& request = *open->request;
    if (model_.tokenizer().is_end(token)) return finish(open, "stop");
    open->tokens.push_back(token);
    open->unread = true;
    if (request.stop_at_newline && model_.tokenizer().piece(token).find('\n') != std::string::npos)
      return finish(open, "stop");
    if (!request.stop.empty() && end_of(request, written(*open)) != std::string::npos)
      return finish(open, "stop");
    if (static_cast<int>(open->tokens.size()) >= request.n_new) finish(open, "length");
  }

  std::string written(const Open& open) const {
    if (open.request->stop.empty()) return model_.tokenizer().text(open.tokens);
    std::string text;
    for (const int32_t token : open.tokens)
      text += model_.tokenizer().piece(token);
    return text;
  }

  // Where the first of the texts that end an answer begins; npos: none is there.
  static size_t end_of(const AnswersRequest& request, const std::string& text) {
    size_t end = request.stop_at_newline ? text.find('\n') : std::string::npos;
    for (const std::string& stop : request.stop)
      end = std::min(end, text.find(stop));
    return end;
  }

  void finish(Open* open, const char* reason) const {
    VariantAnswer& answer = open->answers->of[open->variant];
    std::string text = written(*open);
    text.resize(std::min(end_of(*open->request, text), text.size()));
    answer.text = encode_utf8(decode_utf8(text));
    answer.n_new = static_cast<int64_t>(open->tokens.size());
    answer.finish_reason = reason;
    if (open->unread) answer.unread = {open->tokens.back()};
    if (!keeps_) *open->sequence = Sequence();
    open->sequence = nullptr;
  }

  const Model& model_;
  Compute& compute_;
  const bool keeps_;
  std::vector<Open> open_;  // those of a prompt behind one another
  std::vector<float> logits_;
};

}  // namespace

Result<std::vector<Answers>> answer_all(const Model& model, Compute& compute,
                                        std::span<const AnswersRequest> requests) {
  std::vector<Answers> answers(requests.size());
  std::vector<VariantReading> readings(requests.size());
  AnswerBatch batch(model, compute, /*keeps=*/false);
  for (size_t r = 0; r < requests.size(); ++r) {
    RESTKV_ASSIGN_OR_RETURN(readings[r], read_variants(model, compute, requests[r].reading));
    answers[r].prefill_ms = readings[r].ms;
    answers[r].caches = std::move(readings[r].caches);
    batch.add(requests[r], &readings[r], &answers[r]);
  }
  RESTKV_RETURN_IF_ERROR(batch.run());
  return answers;
}

Result<Answers> answer_behind(const Model& model, Compute& compute, const AnswersRequest& request,
                              VariantReading* reading) {
  Answers answers;
  AnswerBatch batch(model, compute, /*keeps=*/true);
  batch.add(request, reading, &answers);
  RESTKV_RETURN_IF_ERROR(batch.run());
  return answers;
}

}  // namespace restkv
