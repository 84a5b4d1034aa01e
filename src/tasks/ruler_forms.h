// RULER's tasks as forms, a kind of task a file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "restkv/status.h"
#include "tasks/form.h"
#include "tasks/haystack.h"
#include "tasks/prompts.h"
#include "tasks/word_lists.h"

namespace restkv {

// What a task may need. Pointers are null where the task does not.
struct RulerInputs {
  std::string task = {};
  FitOptions fit = {};
  TextTokens tokens = {};
  uint64_t seed = 0;
  int64_t n = 0;  // samples
  std::shared_ptr<const Prompts> prompts = {};
  std::shared_ptr<const Haystack> haystack = {};
  std::shared_ptr<const WordLists> words = {};
  std::string qa_file = {};
};

// Errors of all: model (the prompts have no template for the task), and as stated.
Result<MakeForm> needle_forms(const RulerInputs& inputs);  // the tasks niah_*
Result<MakeForm> json_words_forms(const RulerInputs& inputs);
// Error: capacity (the solved example leaves no room).
Result<MakeForm> variable_tracking_forms(const RulerInputs& inputs);
Result<MakeForm> common_words_forms(const RulerInputs& inputs);
Result<MakeForm> frequent_words_forms(const RulerInputs& inputs);
// Errors: usage (fewer questions than samples), model (the file).
Result<MakeForm> qa_forms(const RulerInputs& inputs);

// What the niah_* tasks and the QA ones read besides the words; vt reads nothing.
bool needs_haystack(std::string_view task);
bool needs_words(std::string_view task);

}  // namespace restkv
