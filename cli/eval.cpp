#include "cli/eval.h"

#include "cli/eval_fidelity.h"
#include "cli/eval_humaneval.h"
#include "cli/eval_infinitebench.h"
#include "cli/eval_longbench.h"
#include "cli/eval_merge.h"
#include "cli/eval_niah.h"
#include "cli/eval_own.h"
#include "cli/eval_perplexity.h"
#include "cli/eval_ruler.h"

namespace restkv::cli {

void register_eval(CLI::App& app, int* exit_code) {
  CLI::App* eval = app.add_subcommand("eval", "measure quality");
  eval->require_subcommand(1);
  register_eval_longbench(*eval, exit_code);
  register_eval_ruler(*eval, exit_code);
  register_eval_niah(*eval, exit_code);
  register_eval_infinitebench(*eval, exit_code);
  register_eval_own(*eval, exit_code);
  register_eval_fidelity(*eval, exit_code);
  register_eval_humaneval(*eval, exit_code);
  register_eval_perplexity(*eval, exit_code);
  register_eval_merge(*eval, exit_code);
}

}  // namespace restkv::cli
