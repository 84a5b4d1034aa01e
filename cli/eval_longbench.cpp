#include "cli/eval_longbench.h"

#include <memory>
#include <utility>

#include "cli/eval_run.h"
#include "cli/eval_texts.h"
#include "cli/runtime.h"
#include "cli/sample_score.h"
#include "tasks/longbench_samples.h"

namespace restkv::cli {
namespace {

struct LongBenchFlags {
  EvalFlags eval;
  std::string data;
  bool e_form = false;
};

std::vector<std::string> known_tasks(bool e_form) {
  std::vector<std::string> names;
  for (const LongBenchTask& task : longbench_tasks())
    if (!e_form || task.in_e) names.emplace_back(task.name);
  return names;
}

Result<std::vector<EvalCell>> make_cells(const LongBenchFlags& flags,
                                         const std::vector<std::string>& tasks,
                                         const LongBenchSamples& common) {
  std::vector<EvalCell> cells;
  for (const std::string& task : tasks) {
    LongBenchSamples options = common;
    options.task = task;
    RESTKV_ASSIGN_OR_RETURN(auto source, longbench_samples(options));
    cells.push_back({task, std::nullopt, first_samples(std::move(source), flags.eval.n)});
  }
  return cells;
}

Result<int> run(const LongBenchFlags& flags) {
  RESTKV_ASSIGN_OR_RETURN(Evaluation evaluation, read_eval_flags(flags.eval));
  const std::vector<std::string> known = known_tasks(flags.e_form);
  RESTKV_ASSIGN_OR_RETURN(const auto tasks,
                          choose_tasks(flags.eval.tasks, known, {{"all", known}}));
  if (flags.data.empty())
    return Status::usage("--data is missing: the folder with LongBench's TASK.jsonl files");
  LongBenchSamples common;
  common.data = flags.data;
  common.e_form = flags.e_form;
  common.skip_bad = flags.eval.skip_bad;
  common.chat = flags.eval.style == "chat";
  RESTKV_ASSIGN_OR_RETURN(common.prompts, load_prompts(flags.eval, PromptSet::longbench));
  return run_eval(
      flags.eval, std::move(evaluation),
      {.name = benchmark_name(Benchmark::longbench),
       .measure = score_texts(Benchmark::longbench),
       .preset = "",
       .data = {{"folder", name_or_null(flags.data)}, {"e_form", flags.e_form}},
       .make_cells = [&](const SampleContext&) { return make_cells(flags, tasks, common); }});
}

}  // namespace

void register_eval_longbench(CLI::App& eval, int* exit_code) {
  CLI::App* command = eval.add_subcommand("longbench", "LongBench's 16 English sets");
  auto flags = std::make_shared<LongBenchFlags>();
  flags->eval.tasks = {"all"};
  flags->eval.out = "longbench.results.jsonl";
  add_list(*command, "--task", flags->eval.tasks, "data sets, or all");
  command->add_option("--data", flags->data, "folder with the sets, TASK.jsonl");
  command->add_flag("--e-form", flags->e_form, "LongBench-E: TASK_e.jsonl");
  add_eval_flags(*command, flags->eval);
  finish_options(*command);
  command->callback([=] {
    const Result<int> code = run(*flags);
    *exit_code = code.ok() ? *code : report(code.status());
  });
}

}  // namespace restkv::cli
