#include "cli/eval_niah.h"

#include <memory>
#include <utility>

#include "cli/eval_run.h"
#include "cli/eval_texts.h"
#include "cli/runtime.h"
#include "cli/sample_score.h"
#include "tasks/niah_samples.h"

namespace restkv::cli {
namespace {

struct NiahFlags {
  EvalFlags eval;
  TextFlags texts;
  std::vector<int64_t> lengths{1000, 2000, 4000};
  std::vector<int> depths;
  bool reference = false;
};

Result<std::vector<EvalCell>> make_cells(const std::vector<int64_t>& lengths,
                                         const NiahSamples& common) {
  std::vector<EvalCell> cells;
  for (const int64_t length : lengths) {
    NiahSamples options = common;
    options.lengths = {length};
    RESTKV_ASSIGN_OR_RETURN(auto source, niah_samples(options));
    cells.push_back({"niah", length, std::move(source)});
  }
  return cells;
}

Result<int> run(const NiahFlags& flags) {
  RESTKV_ASSIGN_OR_RETURN(Evaluation evaluation, read_eval_flags(flags.eval));
  const std::vector<int64_t> lengths = flags.reference ? niah_reference_lengths() : flags.lengths;
  RESTKV_RETURN_IF_ERROR(check_lengths(lengths));
  NiahSamples common;
  common.depths = flags.depths;
  common.seed = flags.eval.seed;
  if (flags.eval.n) common.n_repeat = *flags.eval.n;
  RESTKV_ASSIGN_OR_RETURN(common.prompts, load_prompts(flags.eval, PromptSet::niah));
  RESTKV_ASSIGN_OR_RETURN(common.haystack, load_haystack(flags.texts));
  return run_eval(flags.eval, std::move(evaluation),
                  {.name = benchmark_name(Benchmark::niah),
                   .measure = score_texts(Benchmark::niah),
                   .preset = "",
                   .data = describe_texts(flags.texts, common.haystack.get(), nullptr),
                   .make_cells = [&](const SampleContext& context) {
                     common.tokens = context.tokens;
                     return make_cells(lengths, common);
                   }});
}

}  // namespace

void register_eval_niah(CLI::App& eval, int* exit_code) {
  CLI::App* command =
      eval.add_subcommand("niah", "needle in a haystack: a grid of lengths and depths");
  auto flags = std::make_shared<NiahFlags>();
  flags->eval.out = "niah.results.jsonl";
  flags->depths = niah_reference_depths();
  add_list(*command, "--length", flags->lengths, "tokens of a prompt");
  add_list(*command, "--depth", flags->depths, "percent of the text before the needle");
  command->add_flag("--reference", flags->reference,
                    "the lengths of the ReST-KV reference: 1000, 1200 ... 32000");
  add_haystack_flag(*command, flags->texts);
  add_eval_flags(*command, flags->eval);
  finish_options(*command);
  command->callback([=] {
    const Result<int> code = run(*flags);
    *exit_code = code.ok() ? *code : report(code.status());
  });
}

}  // namespace restkv::cli
