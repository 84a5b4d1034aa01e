// A measure of several turns: every question is read behind the conversation's own cache, so that
// what was evicted in one turn is missing in the next.
//
// The first prompt is read once for all variants, as everywhere. Later turns differ between
// variants by the answers before them and are read one variant after the other; answers are decoded
// together.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "eval/measure.h"
#include "eval/prompt.h"
#include "restkv/status.h"
#include "tasks/turn.h"

namespace restkv {

struct Conversation {
  PromptStyle style = PromptStyle::raw;
  // At least one turn; the first one's question is the sample's prompt already, with its prefix.
  std::function<Result<std::vector<Turn>>(const Sample& sample)> turns;
  // Of the answer to one turn, counted from 0, without its prefix.
  std::function<Result<SampleScore>(const Sample& sample, size_t turn, const std::string& answer)>
      score;
};

// The score is the mean of the turns'. Others: "turn_1" ... (each turn's score), "answers", and
// what the turns' scores have beside. In the raw style a question is read as it is; in chat it is
// the user's message, even where a sample's task does not wrap its prompt. A schedule that cuts at
// every turn does so behind each question; the cache of a result line is that of the first. Errors:
// as read_variants(), extend() and decode(); of turns() and score().
Measure converse(Conversation conversation);

}  // namespace restkv
