#include "eval/conversation.h"

#include <utility>

#include "core/clock.h"
#include "engine/prefill.h"
#include "eval/answers.h"

namespace restkv {
namespace {

using Tokens = std::vector<int32_t>;

class Talk {
 public:
  Talk(const Conversation& conversation, const MeasureInput& input)
      : conversation_(conversation), input_(input), of_(input.reading.variants.size()) {}

  Result<Measured> run() {
    RESTKV_ASSIGN_OR_RETURN(turns_, conversation_.turns(input_.sample));
    RESTKV_ASSIGN_OR_RETURN(reading_, read_variants(input_.model, input_.compute, input_.reading));
    measured_.prefill_ms = reading_.ms;
    for (Spoken& spoken : of_)
      spoken.messages = {{"user", input_.sample.prompt}};
    for (size_t t = 0; t < turns_.size(); ++t) {
      if (t > 0) RESTKV_RETURN_IF_ERROR(ask(turns_[t]));
      RESTKV_RETURN_IF_ERROR(answer(t));
    }
    finish();
    return std::move(measured_);
  }

 private:
  // What one variant has said so far.
  struct Spoken {
    std::vector<ChatMessage> messages;
    Tokens unread;  // of the last answer, not in the cache yet
    std::vector<std::string> answers;
    double sum = 0;
    nlohmann::ordered_json others = nlohmann::ordered_json::object();
    VariantAnswer last;
    int64_t n_new = 0;
  };

  Result<Tokens> question_tokens(Spoken* spoken, const Turn& turn) const {
    const Tokenizer& tokenizer = input_.model.tokenizer();
    Tokens ids = std::exchange(spoken->unread, {});
    const auto append = [&](const Result<Tokens>& more) -> Status {
      if (more.ok()) ids.insert(ids.end(), more->begin(), more->end());
      return more.status();
    };
    if (conversation_.style == PromptStyle::raw) {
      RESTKV_RETURN_IF_ERROR(
          append(tokenizer.tokenize(turn.question + turn.answer_prefix, false, true)));
      return ids;
    }
    const size_t n_known = spoken->messages.size();
    spoken->messages.push_back({"user", turn.question});
    RESTKV_RETURN_IF_ERROR(append(tokenizer.tokenize_turn(spoken->messages, n_known)));
    RESTKV_RETURN_IF_ERROR(append(tokenizer.tokenize(turn.answer_prefix, false, true)));
    return ids;
  }

  Status ask(const Turn& turn) {
    const double start = now_ms();
    for (size_t v = 0; v < of_.size(); ++v) {
      RESTKV_ASSIGN_OR_RETURN(const Tokens ids, question_tokens(&of_[v], turn));
      RESTKV_ASSIGN_OR_RETURN(
          ReadResult read,
          extend(input_.model, input_.compute,
                 {.tokens = ids, .attention = input_.reading.attention}, &reading_.sequences[v]));
      reading_.own_logits[v] = std::move(read.last_logits);
    }
    measured_.prefill_ms += now_ms() - start;
    return {};
  }

  Status answer(size_t t) {
    const Turn& turn = turns_[t];
    RESTKV_ASSIGN_OR_RETURN(Answers answers, answer_behind(input_.model, input_.compute,
                                                           {.reading = input_.reading,
                                                            .n_new = turn.n_new,
                                                            .stop_at_newline = turn.stop_at_newline,
                                                            .stop = turn.stop},
                                                           &reading_));
    measured_.decode_ms += answers.decode_ms;
    measured_.n_step += answers.n_step;
    for (size_t v = 0; v < of_.size(); ++v)
      RESTKV_RETURN_IF_ERROR(take(t, std::move(answers.of[v]), &of_[v]));
    return {};
  }

  Status take(size_t t, VariantAnswer answer, Spoken* spoken) const {
    RESTKV_ASSIGN_OR_RETURN(const SampleScore score,
                            conversation_.score(input_.sample, t, answer.text));
    const double value = score.value.value_or(0);
    spoken->others["turn_" + std::to_string(t + 1)] = value;
    spoken->others.update(score.others);
    spoken->sum += value;
    spoken->answers.push_back(turns_[t].answer_prefix + answer.text);
    spoken->messages.push_back({"assistant", spoken->answers.back()});
    spoken->n_new += answer.n_new;
    spoken->unread = answer.unread;
    spoken->last = std::move(answer);
    return {};
  }

  void finish() {
    measured_.caches = std::move(reading_.caches);
    for (size_t v = 0; v < of_.size(); ++v) {
      Spoken& spoken = of_[v];
      measured_.caches[v].eviction_ms = reading_.sequences[v].eviction_ms;
      spoken.others["answers"] = spoken.answers;
      spoken.last.n_new = spoken.n_new;
      measured_.scores.push_back({.value = spoken.sum / static_cast<double>(turns_.size()),
                                  .others = std::move(spoken.others)});
      measured_.answers.push_back(std::move(spoken.last));
    }
  }

  const Conversation& conversation_;
  const MeasureInput& input_;
  std::vector<Turn> turns_;
  VariantReading reading_;
  std::vector<Spoken> of_;  // as variants
  Measured measured_;
};

}  // namespace

Measure converse(Conversation conversation) {
  return one_by_one([conversation = std::move(conversation)](const MeasureInput& input) {
    return Talk(conversation, input).run();
  });
}

}  // namespace restkv
