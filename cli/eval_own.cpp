#include "cli/eval_own.h"

#include <memory>
#include <string>
#include <utility>

#include "cli/eval_run.h"
#include "cli/eval_texts.h"
#include "cli/runtime.h"
#include "eval/likelihood.h"
#include "tasks/choice_samples.h"
#include "tasks/cloze_samples.h"
#include "tasks/text_samples.h"

namespace restkv::cli {
namespace {

// What the two commands differ in.
struct OwnKind {
  const char* name;
  const char* help;
  const char* file_help;
  Measure measure;
  Result<std::unique_ptr<SampleSource>> (*samples)(const OwnSamples& options);
};

struct OwnFlags {
  EvalFlags eval;
  TextFlags texts;
  std::string data;
  int64_t n_pad = 0;
};

Result<std::vector<EvalCell>> make_cells(const OwnFlags& flags, const OwnKind& kind,
                                         const std::string& pad_text, const TextTokens& tokens) {
  RESTKV_ASSIGN_OR_RETURN(auto source,
                          kind.samples({.path = flags.data, .skip_bad = flags.eval.skip_bad}));
  RESTKV_ASSIGN_OR_RETURN(source, padded(std::move(source), pad_text, flags.n_pad, tokens));
  std::vector<EvalCell> cells;
  cells.push_back({kind.name, std::nullopt, first_samples(std::move(source), flags.eval.n)});
  return cells;
}

// The text to put in front, where there is any. Errors: as Haystack::load().
Result<std::shared_ptr<const Haystack>> load_padding(const OwnFlags& flags) {
  RESTKV_ASSIGN_OR_RETURN(std::shared_ptr<const Haystack> text, load_haystack(flags.texts));
  if (text != nullptr || flags.n_pad == 0) return text;
  RESTKV_ASSIGN_OR_RETURN(Haystack packaged, Haystack::load(""));
  return std::shared_ptr<const Haystack>(std::make_shared<Haystack>(std::move(packaged)));
}

Result<int> run(const OwnFlags& flags, const OwnKind& kind) {
  RESTKV_ASSIGN_OR_RETURN(Evaluation evaluation, read_eval_flags(flags.eval));
  if (flags.data.empty()) return Status::usage("--data is missing: the file with JSON lines");
  RESTKV_RETURN_IF_ERROR(check_range("--pad-tokens", flags.n_pad, 0, kMostTokens));
  RESTKV_ASSIGN_OR_RETURN(const std::string content, read_bytes(flags.data));
  RESTKV_ASSIGN_OR_RETURN(const auto padding, load_padding(flags));
  nlohmann::ordered_json data{
      {"file", file_mark(flags.data, content)}, {"pad_tokens", flags.n_pad}, {"padding", nullptr}};
  if (flags.n_pad > 0) data["padding"] = file_mark(padding->source(), padding->text());
  return run_eval(flags.eval, std::move(evaluation),
                  {.name = kind.name,
                   .measure = kind.measure,
                   .preset = "",
                   .data = data,
                   .make_cells = [&](const SampleContext& context) {
                     return make_cells(flags, kind, padding ? padding->text() : "", context.tokens);
                   }});
}

void add_command(CLI::App& eval, const OwnKind& kind, int* exit_code) {
  CLI::App* command = eval.add_subcommand(kind.name, kind.help);
  auto flags = std::make_shared<OwnFlags>();
  flags->eval.out = std::string(kind.name) + ".results.jsonl";
  command->add_option("--data", flags->data, kind.file_help);
  add_flag_value(*command, "--pad-tokens", flags->n_pad,
                 "tokens of other text in front of every sample, for the cache to be cut");
  command->add_option("--haystack", flags->texts.haystack,
                      "that text: a file, or a folder with *.txt (default: the text of a package)");
  add_eval_flags(*command, flags->eval);
  finish_options(*command);
  command->callback([=] {
    const Result<int> code = run(*flags, kind);
    *exit_code = code.ok() ? *code : report(code.status());
  });
}

}  // namespace

void register_eval_own(CLI::App& eval, int* exit_code) {
  add_command(eval,
              {.name = "choice",
               .help = "multiple choice of your own: the likeliest option",
               .file_help = "questions, a JSON object a line (docs/evaluation.md)",
               .measure = choose_option(),
               .samples = choice_samples},
              exit_code);
  add_command(eval,
              {.name = "cloze",
               .help = "texts of your own whose last word is to be foreseen",
               .file_help = "texts, {\"text\": ..} a line",
               .measure = foresee_target(),
               .samples = cloze_samples},
              exit_code);
}

}  // namespace restkv::cli
