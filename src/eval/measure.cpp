#include "eval/measure.h"

#include <utility>

namespace restkv {

Measure generate_and_score(ScoreText score) {
  return [score = std::move(score)](const MeasureInput& input) -> Result<Measured> {
    RESTKV_ASSIGN_OR_RETURN(Answers answers,
                            answer_all(input.model, input.compute,
                                       {.reading = input.reading,
                                        .n_new = input.sample.n_new,
                                        .stop_at_newline = input.sample.stop_at_newline,
                                        .stop = input.sample.stop}));
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
  };
}

}  // namespace restkv
