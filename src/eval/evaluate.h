// A run of an evaluation: the samples of some tasks under some variants, into a result file.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/prefill.h"
#include "eval/measure.h"
#include "eval/prompt.h"
#include "eval/result_line.h"
#include "eval/variants.h"
#include "model/model.h"
#include "restkv/options.h"
#include "restkv/status.h"
#include "tasks/source.h"

namespace restkv {

// The samples of one task at one length.
struct EvalCell {
  std::string task;
  std::optional<int64_t> length;  // tokens; none: the task has no target length
  std::shared_ptr<const SampleSource> source;
};

// Whichever samples a process of several machines takes: those whose number is `index` modulo
// `count`, counted over all cells.
struct Shard {
  int64_t index = 0, count = 1;
};

struct EvalProgress {
  int64_t n_done = 0, n_sample = 0;  // of this run, those that were there already included
  std::string task;                  // of the sample that came last
  std::optional<int64_t> length;
  std::optional<double> reading;  // 0..1, of the present prompt, where this process reads it
  std::optional<double> left_s;   // remaining time
};

struct Evaluation {
  std::string benchmark;
  std::vector<EvalCell> cells;
  std::vector<Variant> variants;
  PromptOptions prompt;
  PrefillAttention attention;
  EngineOptions engine;
  nlohmann::ordered_json config;  // the "config" of every line
  Measure measure;

  std::string out;        // result file; times go to <out>.times.jsonl
  int n_together = 1;     // samples of a cell that are answered together, if the measure can
  int n_process = 1;      // --jobs
  int n_thread_each = 1;  // of each process
  Shard shard;
  const std::atomic<bool>* cancel = nullptr;
  std::function<void(const EvalProgress&)> on_progress{};

  // Samples that are answered together.
  int group_size() const { return measure.decodes_together ? n_together : 1; }
};

struct EvalOutcome {
  int64_t n_sample = 0;    // of this run
  int64_t n_answered = 0;  // of them, those that were not there already
};

// Goes on where the file ends: what it has is not computed again. A sample's lines are on disk
// before the next sample's are written, and come in the order of cells, samples and variants,
// however many processes there are. Which samples are answered together depends on the evaluation
// alone, not on what is there.
// Errors: those of the parts, with task, length and sample in front; runtime (interrupted).
Result<EvalOutcome> evaluate(const Model& model, const Evaluation& evaluation);

// Samples to answer together where the user names no number: enough for a batch in which reading
// the weights is little, few enough for four groups in the largest cell and 1 GiB of caches. It
// depends on the model and the evaluation alone, so that a run that goes on forms the same groups.
int usual_together(const HParams& hparams, const Evaluation& evaluation);

// Whether n_together prompts of so many tokens in each of n_process processes fit into memory at
// once, each for all variants. Error: capacity, with the figures.
Status check_eval_memory(const HParams& hparams, const Evaluation& evaluation, int64_t n_token,
                         int n_new, int n_process, int n_together);

}  // namespace restkv
