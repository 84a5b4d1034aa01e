#include "eval/measure.h"

#include <utility>

namespace restkv {
namespace {

Result<Measured> score_answers(const ScoreText& score, const MeasureInput& input, Answers answers) {
  Measured measured{.answers = std::move(answers.of),
                    .caches = std::move(answers.caches),
                    .scores = {},
                    .prefill_ms = answers.prefill_ms,
                    .decode_ms = answers.decode_ms,
                    .n_step = answers.n_step};
  for (const VariantAnswer& answer : measured.answers) {
    RESTKV_ASSIGN_OR_RETURN(measured.scores.emplace_back(),
                            score(input.task, input.sample, answer.text));
  }
  return measured;
}

}  // namespace

Measure one_by_one(std::function<Result<Measured>(const MeasureInput& input)> measure) {
  const auto run = [measure = std::move(measure)](
                       std::span<const MeasureInput> inputs) -> Result<std::vector<Measured>> {
    std::vector<Measured> all;
    for (const MeasureInput& input : inputs) {
      RESTKV_ASSIGN_OR_RETURN(Measured measured, measure(input));
      all.push_back(std::move(measured));
    }
    return all;
  };
  return {.run = run, .decodes_together = false};
}

Measure generate_and_score(ScoreText score) {
  const auto run = [score = std::move(score)](
                       std::span<const MeasureInput> inputs) -> Result<std::vector<Measured>> {
    std::vector<AnswersRequest> requests;
    for (const MeasureInput& input : inputs) {
      requests.push_back({.reading = input.reading,
                          .n_new = input.sample.n_new,
                          .stop_at_newline = input.sample.stop_at_newline,
                          .stop = input.sample.stop});
    }
    RESTKV_ASSIGN_OR_RETURN(std::vector<Answers> answers,
                            answer_all(inputs[0].model, inputs[0].compute, requests));
    std::vector<Measured> all;
    for (size_t i = 0; i < inputs.size(); ++i) {
      RESTKV_ASSIGN_OR_RETURN(Measured measured,
                              score_answers(score, inputs[i], std::move(answers[i])));
      all.push_back(std::move(measured));
    }
    return all;
  };
  return {.run = run, .decodes_together = true};
}

}  // namespace restkv
