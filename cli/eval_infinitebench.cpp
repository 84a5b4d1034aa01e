#include "cli/eval_infinitebench.h"

#include <memory>
#include <utility>

#include "cli/eval_run.h"
#include "cli/eval_texts.h"
#include "cli/runtime.h"
#include "cli/sample_score.h"
#include "tasks/infinitebench_samples.h"

namespace restkv::cli {
namespace {

constexpr int64_t kSamples = 50;  // where -n is not given and samples are generated

struct InfiniteBenchFlags {
  EvalFlags eval;
  std::vector<int64_t> lengths{4096};
  std::string data, preset = "restkv";
};

std::vector<std::string> known_tasks() {
  std::vector<std::string> names;
  for (const InfiniteBenchTask& task : infinitebench_tasks())
    names.emplace_back(task.name);
  return names;
}

std::vector<TaskGroup> groups() {
  TaskGroup synthetic{"synthetic", {}};
  for (const std::string& name : known_tasks())
    if (infinitebench_can_generate(name)) synthetic.tasks.push_back(name);
  return {{"all", known_tasks()}, synthetic};
}

// Records of the files have no target length, generated samples have one.
Result<std::vector<EvalCell>> make_cells(const InfiniteBenchFlags& flags,
                                         const std::vector<std::string>& tasks,
                                         const InfiniteBenchSamples& common) {
  std::vector<EvalCell> cells;
  const bool from_files = !flags.data.empty();
  for (const std::string& task : tasks) {
    for (const int64_t length : flags.lengths) {
      InfiniteBenchSamples options = common;
      options.task = task;
      options.length = length;
      RESTKV_ASSIGN_OR_RETURN(auto source, infinitebench_samples(options));
      cells.push_back({task, from_files ? std::nullopt : std::optional(length),
                       first_samples(std::move(source), flags.eval.n)});
      if (from_files) break;
    }
  }
  return cells;
}

Result<int> run(const InfiniteBenchFlags& flags) {
  RESTKV_ASSIGN_OR_RETURN(Evaluation evaluation, read_eval_flags(flags.eval));
  RESTKV_ASSIGN_OR_RETURN(const auto tasks,
                          choose_tasks(flags.eval.tasks, known_tasks(), groups()));
  RESTKV_RETURN_IF_ERROR(check_lengths(flags.lengths));
  InfiniteBenchSamples common;
  common.data = flags.data;
  common.seed = flags.eval.seed;
  common.n = flags.eval.n.value_or(kSamples);
  common.skip_bad = flags.eval.skip_bad;
  RESTKV_ASSIGN_OR_RETURN(common.preset,
                          choose<InfiniteBenchPreset>("--preset", flags.preset,
                                                      {{"official", InfiniteBenchPreset::official},
                                                       {"restkv", InfiniteBenchPreset::restkv}}));
  RESTKV_ASSIGN_OR_RETURN(common.prompts, load_prompts(flags.eval, PromptSet::infinitebench));
  return run_eval(flags.eval, std::move(evaluation),
                  {.name = benchmark_name(Benchmark::infinitebench),
                   .measure = score_texts(Benchmark::infinitebench),
                   .preset = flags.preset,
                   .data = {{"folder", name_or_null(flags.data)}},
                   .make_cells = [&](const SampleContext& context) {
                     common.tokens = context.tokens;
                     common.n_template = context.n_template;
                     return make_cells(flags, tasks, common);
                   }});
}

}  // namespace

void register_eval_infinitebench(CLI::App& eval, int* exit_code) {
  CLI::App* command = eval.add_subcommand(
      "infinitebench", "InfiniteBench's tasks from its files; the synthetic ones also generated");
  auto flags = std::make_shared<InfiniteBenchFlags>();
  flags->eval.tasks = {"synthetic"};
  flags->eval.out = "infinitebench.results.jsonl";
  add_list(*command, "--task", flags->eval.tasks,
           "tasks; all: 12, synthetic: those that can be generated");
  add_list(*command, "--length", flags->lengths, "tokens of a generated prompt and its answer");
  command->add_option("--data", flags->data,
                      "folder with TASK.jsonl, instead of generating samples");
  add_flag_value(*command, "--preset", flags->preset,
                 "tokens of an answer: official, or restkv, as the ReST-KV reference");
  add_eval_flags(*command, flags->eval);
  finish_options(*command);
  command->callback([=] {
    const Result<int> code = run(*flags);
    *exit_code = code.ok() ? *code : report(code.status());
  });
}

}  // namespace restkv::cli
