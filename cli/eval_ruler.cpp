#include "cli/eval_ruler.h"

#include <memory>
#include <utility>

#include "cli/eval_run.h"
#include "cli/eval_texts.h"
#include "cli/runtime.h"
#include "cli/sample_score.h"
#include "tasks/ruler_samples.h"

namespace restkv::cli {
namespace {

constexpr int64_t kSamples = 50;  // where -n is not given and samples are generated

struct RulerFlags {
  EvalFlags eval;
  TextFlags texts;
  std::vector<int64_t> lengths{4096};
  std::string data, squad, hotpot, preset = "official";
};

std::vector<TaskGroup> groups() {
  TaskGroup all{"all", {}}, reference{"reference", {}};
  for (const RulerTask& task : ruler_tasks()) {
    all.tasks.emplace_back(task.name);
    if (task.in_reference) reference.tasks.emplace_back(task.name);
  }
  return {all, reference};
}

std::vector<std::string> known_tasks() {
  std::vector<std::string> names = groups().front().tasks;
  names.emplace_back(kJsonWordsTask);
  return names;
}

Result<std::vector<EvalCell>> make_cells(const RulerFlags& flags,
                                         const std::vector<std::string>& tasks,
                                         const RulerSamples& common) {
  std::vector<EvalCell> cells;
  for (const std::string& task : tasks) {
    for (const int64_t length : flags.lengths) {
      RulerSamples options = common;
      options.task = task;
      options.length = length;
      RESTKV_ASSIGN_OR_RETURN(auto source, ruler_samples(options));
      cells.push_back({task, length, first_samples(std::move(source), flags.eval.n)});
    }
  }
  return cells;
}

Result<int> run(const RulerFlags& flags) {
  RESTKV_ASSIGN_OR_RETURN(Evaluation evaluation, read_eval_flags(flags.eval));
  RESTKV_ASSIGN_OR_RETURN(const auto tasks,
                          choose_tasks(flags.eval.tasks, known_tasks(), groups()));
  RESTKV_RETURN_IF_ERROR(check_lengths(flags.lengths));
  RulerSamples common;
  common.data = flags.data;
  common.seed = flags.eval.seed;
  common.n = flags.eval.n.value_or(kSamples);
  common.skip_bad = flags.eval.skip_bad;
  common.squad = flags.squad;
  common.hotpot = flags.hotpot;
  RESTKV_ASSIGN_OR_RETURN(common.preset, choose<RulerPreset>("--preset", flags.preset,
                                                             {{"official", RulerPreset::official},
                                                              {"restkv", RulerPreset::restkv}}));
  RESTKV_ASSIGN_OR_RETURN(common.prompts, load_prompts(flags.eval, PromptSet::ruler));
  RESTKV_ASSIGN_OR_RETURN(common.haystack, load_haystack(flags.texts));
  RESTKV_ASSIGN_OR_RETURN(common.words, load_words(flags.texts));
  nlohmann::ordered_json data =
      describe_texts(flags.texts, common.haystack.get(), common.words.get());
  data["folder"] = name_or_null(flags.data);
  data["squad"] = name_or_null(flags.squad);
  data["hotpot"] = name_or_null(flags.hotpot);
  return run_eval(flags.eval, std::move(evaluation),
                  {.name = benchmark_name(Benchmark::ruler),
                   .measure = score_texts(Benchmark::ruler),
                   .preset = flags.preset,
                   .data = data,
                   .make_cells = [&](const SampleContext& context) {
                     common.tokens = context.tokens;
                     common.n_template = context.n_template;
                     return make_cells(flags, tasks, common);
                   }});
}

}  // namespace

void register_eval_ruler(CLI::App& eval, int* exit_code) {
  CLI::App* command =
      eval.add_subcommand("ruler", "RULER's tasks, generated or from its files, and json_words");
  auto flags = std::make_shared<RulerFlags>();
  flags->eval.tasks = {"reference"};
  flags->eval.out = "ruler.results.jsonl";
  add_list(*command, "--task", flags->eval.tasks,
           "tasks; all: 13, reference: the 11 without question answering");
  add_list(*command, "--length", flags->lengths, "tokens of a prompt and its answer");
  command->add_option("--data", flags->data,
                      "folder with LENGTH/TASK.jsonl, instead of generating samples");
  add_flag_value(*command, "--preset", flags->preset,
                 "tokens of an answer: official, by task; restkv, 64");
  add_haystack_flag(*command, flags->texts);
  add_words_flag(*command, flags->texts);
  command->add_option("--squad", flags->squad, "qa_1: SQuAD's dev-v2.0.json");
  command->add_option("--hotpot", flags->hotpot, "qa_2: hotpot_dev_distractor_v1.json");
  add_eval_flags(*command, flags->eval);
  finish_options(*command);
  command->callback([=] {
    const Result<int> code = run(*flags);
    *exit_code = code.ok() ? *code : report(code.status());
  });
}

}  // namespace restkv::cli
