#include "cli/eval_humaneval.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/code_checks.h"
#include "cli/eval_run.h"
#include "cli/eval_texts.h"
#include "cli/runtime.h"
#include "tasks/repository_samples.h"

namespace restkv::cli {
namespace {

constexpr int64_t kConversations = 20;  // where -n is not given

struct HumanEvalFlags {
  EvalFlags eval;
  CheckFlags check;
  std::vector<int64_t> lengths;
  std::string problems;
  bool multi_turn = false;
};

std::vector<int64_t> lengths_of(const HumanEvalFlags& flags) {
  if (!flags.lengths.empty()) return flags.lengths;
  return flags.multi_turn ? std::vector<int64_t>{4096} : std::vector<int64_t>{0, 2048, 4096, 8192};
}

bool is_chat(const Evaluation& evaluation) {
  return evaluation.prompt.style == PromptStyle::chat;
}

Result<int> run_problems(const HumanEvalFlags& flags, Evaluation evaluation,
                         const ProgramChecker& checker) {
  RESTKV_RETURN_IF_ERROR(check_lengths(lengths_of(flags), 0));
  RESTKV_ASSIGN_OR_RETURN(const std::string path, flags.problems.empty()
                                                      ? default_problems()
                                                      : Result<std::string>(flags.problems));
  RESTKV_ASSIGN_OR_RETURN(const auto problems, CodeProblems::load(path, flags.eval.skip_bad));
  RESTKV_ASSIGN_OR_RETURN(const std::string content, read_bytes(path));
  HumanEvalSamples samples{
      .problems = problems, .seed = flags.eval.seed, .chat = is_chat(evaluation), .tokens = {}};
  const auto make_cells = [&](const SampleContext& context) -> Result<std::vector<EvalCell>> {
    std::vector<EvalCell> cells;
    samples.tokens = context.tokens;
    for (const int64_t length : lengths_of(flags)) {
      samples.n_pad = length;
      RESTKV_ASSIGN_OR_RETURN(auto source, humaneval_samples(samples));
      cells.push_back({"humaneval", length, first_samples(std::move(source), flags.eval.n)});
    }
    return cells;
  };
  return run_eval(flags.eval, std::move(evaluation),
                  {.name = "humaneval",
                   .measure = check_answers(checker, problems),
                   .preset = "",
                   .data = {{"problems", file_mark(path, content)},
                            {"check_seconds", checker.cpu_s},
                            {"check_mib", checker.memory_mib}},
                   .make_cells = make_cells});
}

Result<int> run_conversations(const HumanEvalFlags& flags, Evaluation evaluation,
                              const ProgramChecker& checker) {
  RESTKV_RETURN_IF_ERROR(check_lengths(lengths_of(flags)));
  if (!flags.problems.empty())
    return Status::usage("--problems is given with --multi-turn, which makes its own");
  const PromptStyle style = evaluation.prompt.style;
  RepositorySamples samples{.n = flags.eval.n.value_or(kConversations),
                            .seed = flags.eval.seed,
                            .chat = is_chat(evaluation),
                            .tokens = {}};
  const auto make_cells = [&](const SampleContext& context) -> Result<std::vector<EvalCell>> {
    std::vector<EvalCell> cells;
    samples.tokens = context.tokens;
    samples.n_template = context.n_template;
    for (const int64_t length : lengths_of(flags)) {
      samples.length = length;
      RESTKV_ASSIGN_OR_RETURN(auto source, repository_samples(samples));
      cells.push_back({kRepositoryTask, length, std::move(source)});
    }
    return cells;
  };
  return run_eval(flags.eval, std::move(evaluation),
                  {.name = "humaneval",
                   .measure = check_conversations(checker, style),
                   .preset = "",
                   .data = {{"problems", nullptr},
                            {"check_seconds", checker.cpu_s},
                            {"check_mib", checker.memory_mib}},
                   .make_cells = make_cells});
}

Result<int> run(const HumanEvalFlags& flags) {
  RESTKV_ASSIGN_OR_RETURN(const ProgramChecker checker, program_checker(flags.check));
  RESTKV_ASSIGN_OR_RETURN(Evaluation evaluation, read_eval_flags(flags.eval));
  if (!flags.eval.prompts.empty())
    return Status::usage("--prompts is given, humaneval's problems are prompts themselves");
  // A checker that does not work is found out before the model writes anything.
  RESTKV_ASSIGN_OR_RETURN(const ProgramOutcome outcome, check_program(checker, "assert True"));
  if (!outcome.passed())
    return Status::runtime("the checker says of \"assert True\": " + outcome.result);
  if (outcome.network != "none") {
    warn(
        "this system allows no network of their own to programs; Python alone refuses them "
        "sockets");
  }
  return flags.multi_turn ? run_conversations(flags, std::move(evaluation), checker)
                          : run_problems(flags, std::move(evaluation), checker);
}

}  // namespace

void register_eval_humaneval(CLI::App& eval, int* exit_code) {
  CLI::App* command = eval.add_subcommand(
      "humaneval",
      "code that the model writes, executed: HumanEval behind other code, or turns "
      "about a repository");
  auto flags = std::make_shared<HumanEvalFlags>();
  flags->eval.out = "humaneval.results.jsonl";
  command->add_option("--problems", flags->problems,
                      "HumanEval.jsonl, or problems of your own in its form (default: what "
                      "scripts/get-humaneval.sh fetched)");
  command->add_flag("--multi-turn", flags->multi_turn,
                    "three turns about a synthetic repository: find a function, give its "
                    "signature, change it");
  add_list(*command, "--length", flags->lengths,
           "tokens of other code in front (default: 0,2048,4096,8192); of the first prompt "
           "(--multi-turn, default: 4096)")
      ->default_str("");
  add_check_flags(*command, flags->check);
  add_eval_flags(*command, flags->eval);
  finish_options(*command);
  command->callback([=] {
    const Result<int> code = run(*flags);
    *exit_code = code.ok() ? *code : report(code.status());
  });
}

}  // namespace restkv::cli
