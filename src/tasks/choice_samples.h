// Multiple-choice questions of a user's own file: which of several continuations a model finds
// likeliest.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "restkv/status.h"
#include "tasks/source.h"

namespace restkv {

// Room for what is scored behind a prompt.
inline constexpr int kOwnNewTokens = 64;

struct OwnSamples {
  std::string path;
  bool skip_bad = false;  // count malformed lines instead of failing
};

// One question a line, in one of three forms:
//   {"question", "choices": [text ..], "answer": number from 0, letter, or the text itself}
//   ARC's:            {"question", "choices": {"text": [..], "label": [..]}, "answerKey": label}
//   BIG-Bench Hard's: {"input": a question with lines "(A) text", "target": "(A)"}
// and an "id" if it likes. Where a question has a "context", it stands in front of it. The prompt
// ends in "Answer:"; options follow it behind a blank.
// Fields of a sample: "options" (the continuations), "label" (which of them is right, from 0).
// Errors: as RecordFile::open().
Result<std::unique_ptr<SampleSource>> choice_samples(const OwnSamples& options);

}  // namespace restkv
