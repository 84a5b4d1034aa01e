// What `restkv eval humaneval` runs beside the model: where the checker and the problems are, and
// the scores of answers that are programs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "eval/conversation.h"
#include "eval/program_checker.h"
#include "restkv/status.h"
#include "tasks/humaneval_samples.h"

namespace restkv::cli {

struct CheckFlags {
  bool allowed = false;
  std::string checker;  // empty: the script that came with the program
  int64_t cpu_s = ProgramChecker{}.cpu_s;
  int64_t memory_mib = ProgramChecker{}.memory_mib;
};
void add_check_flags(CLI::App& app, CheckFlags& flags);

// Errors: usage (execution is not allowed; numbers; an empty command), model (no checker is found).
Result<ProgramChecker> program_checker(const CheckFlags& flags);

// Where scripts/get-humaneval.sh has put the problems. Error: model (it has not).
Result<std::string> default_problems();

// pass@1 of the one greedy answer. Others: "result", what the checker said. The problems must be
// those that the samples come from.
Measure check_answers(ProgramChecker checker, std::shared_ptr<const CodeProblems> problems);

// Conversations about a repository: the path and the signature are looked for in the answers, the
// changed function is executed. Others: "result".
Measure check_conversations(ProgramChecker checker, PromptStyle style);

}  // namespace restkv::cli
