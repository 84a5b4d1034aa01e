// The flags of an answer: how tokens are drawn, and when it ends.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "engine/answer.h"
#include "restkv/options.h"
#include "restkv/status.h"

namespace restkv::cli {

struct AnswerFlags {
  AnswerOptions options;
  SamplingOptions sampling;
  int64_t seed = -1;
  std::string grammar_file;
};
void add_answer_flags(CLI::App& app, AnswerFlags& flags);
// Errors: usage (a value out of its range), model (a grammar file that cannot be read).
Status read_answer_flags(const AnswerFlags& flags, AnswerOptions* options,
                         SamplingOptions* sampling);

}  // namespace restkv::cli
