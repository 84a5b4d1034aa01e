// What all benchmarks of `restkv eval` do once their flags are read: load the model, run, sum up.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/eval_flags.h"
#include "cli/score_task.h"
#include "eval/evaluate.h"
#include "restkv/status.h"
#include "tasks/prompts.h"
#include "tasks/source.h"

namespace restkv::cli {

// What the model adds to the making of samples.
struct SampleContext {
  TextTokens tokens;
  int64_t n_template = 0;  // tokens that the chat form adds around a prompt; 0 in the raw style
};

// What one benchmark says.
struct EvalBenchmark {
  std::string name;
  Measure measure;
  std::string preset;           // "" where there is none
  nlohmann::ordered_json data;  // where samples come from, for result lines
  // The cells, in the order in which they are run. Errors: as the factories'.
  std::function<Result<std::vector<EvalCell>>(const SampleContext& context)> make_cells;
};

// Runs what read_eval_flags() made of the flags, and prints the summary. Yields the exit code: 0,
// or 130 when interrupted. Errors: as Model::load() and evaluate(); model, capacity (what the
// variants and styles ask of this model).
Result<int> run_eval(const EvalFlags& flags, Evaluation evaluation, const EvalBenchmark& benchmark);

// --prompts. Null: built in. Error: model.
Result<std::shared_ptr<const Prompts>> load_prompts(const EvalFlags& flags, PromptSet set);

// The tasks of --task, "all" and `groups` replaced by what they stand for. Error: usage (a name
// that is none of `known`; none at all).
struct TaskGroup {
  std::string name;
  std::vector<std::string> tasks;
};
Result<std::vector<std::string>> choose_tasks(const std::vector<std::string>& given,
                                              const std::vector<std::string>& known,
                                              const std::vector<TaskGroup>& groups);

// The first n samples of a source; without n all.
std::shared_ptr<const SampleSource> first_samples(std::unique_ptr<SampleSource> source,
                                                  std::optional<int64_t> n);

}  // namespace restkv::cli
