#include "cli/eval_fidelity.h"

#include <memory>
#include <string>
#include <utility>

#include "cli/eval_run.h"
#include "cli/eval_texts.h"
#include "cli/runtime.h"
#include "eval/likelihood.h"
#include "tasks/text_samples.h"

namespace restkv::cli {
namespace {

struct FidelityFlags {
  EvalFlags eval;
  std::string file = "-";
  std::vector<int64_t> lengths{2048};
  int64_t n_score = 128;
};

Result<std::vector<EvalCell>> make_cells(const FidelityFlags& flags, const std::string& text,
                                         const TextTokens& tokens) {
  std::vector<EvalCell> cells;
  for (const int64_t length : flags.lengths) {
    RESTKV_ASSIGN_OR_RETURN(auto source, text_pieces({.text = text,
                                                      .n = flags.eval.n.value_or(1),
                                                      .n_prompt = length,
                                                      .n_score = flags.n_score,
                                                      .tokens = tokens}));
    cells.push_back({"fidelity", length, std::move(source)});
  }
  return cells;
}

Result<int> run(const FidelityFlags& flags) {
  RESTKV_ASSIGN_OR_RETURN(Evaluation evaluation, read_eval_flags(flags.eval));
  RESTKV_RETURN_IF_ERROR(check_lengths(flags.lengths));
  RESTKV_ASSIGN_OR_RETURN(const std::string text, read_text(flags.file));
  const nlohmann::ordered_json data{{"text", file_mark(input_name(flags.file), text)},
                                    {"score_tokens", flags.n_score}};
  return run_eval(flags.eval, std::move(evaluation),
                  {.name = "fidelity",
                   .measure = compare_with_full(),
                   .preset = "",
                   .data = data,
                   .make_cells = [&](const SampleContext& context) {
                     return make_cells(flags, text, context.tokens);
                   }});
}

}  // namespace

void register_eval_fidelity(CLI::App& eval, int* exit_code) {
  CLI::App* command = eval.add_subcommand(
      "fidelity", "a text's own continuation, beside the full cache, token by token");
  auto flags = std::make_shared<FidelityFlags>();
  flags->eval.out = "fidelity.results.jsonl";
  add_flag_value(*command, "-f,--file", flags->file, "text file, - for standard input");
  add_list(*command, "--length", flags->lengths, "tokens of a prompt");
  add_flag_value(*command, "--score", flags->n_score, "tokens behind it that are scored");
  add_eval_flags(*command, flags->eval);
  finish_options(*command);
  command->callback([=] {
    const Result<int> code = run(*flags);
    *exit_code = code.ok() ? *code : report(code.status());
  });
}

}  // namespace restkv::cli
