#include "cli/answer_flags.h"

#include <cstdio>

#include "cli/flags.h"
#include "cli/runtime.h"

namespace restkv::cli {
namespace {

Status check_ranges(const AnswerFlags& f) {
  const auto range = [](const char* flag, double value, double low, double high) -> Status {
    if (value >= low && value <= high) return {};
    char text[160];
    std::snprintf(text, sizeof text, "%s is %g, allowed: %g to %g", flag, value, low, high);
    return Status::usage(text);
  };
  RESTKV_RETURN_IF_ERROR(range("--n-predict", f.options.n_predict, -1, 1e9));
  RESTKV_RETURN_IF_ERROR(range("--ctx-size", f.options.n_ctx, 0, 1e9));
  RESTKV_RETURN_IF_ERROR(range("--temp", f.sampling.temperature, 0, 100));
  RESTKV_RETURN_IF_ERROR(range("--top-k", f.sampling.top_k, 0, 1e9));
  RESTKV_RETURN_IF_ERROR(range("--top-p", f.sampling.top_p, 0, 1));
  RESTKV_RETURN_IF_ERROR(range("--min-p", f.sampling.min_p, 0, 1));
  RESTKV_RETURN_IF_ERROR(range("--repeat-penalty", f.sampling.repeat_penalty, 0.01, 100));
  RESTKV_RETURN_IF_ERROR(range("--repeat-last-n", f.sampling.repeat_last_n, 0, 1e6));
  RESTKV_RETURN_IF_ERROR(range("--seed", f.seed, -1, 4294967295.0));
  for (const std::string& s : f.options.stop) {
    if (s.empty()) return Status::usage("--stop is empty, it must have at least one character");
  }
  return {};
}

}  // namespace

void add_answer_flags(CLI::App& app, AnswerFlags& f) {
  add_flag_value(app, "-n,--n-predict", f.options.n_predict,
                 "tokens to generate at most, -1: no limit");
  add_flag_value(app, "-c,--ctx-size", f.options.n_ctx,
                 "tokens of prompt and answer together, 0: no limit");
  add_flag_value(app, "--temp", f.sampling.temperature, "temperature, 0: the likeliest token");
  add_flag_value(app, "--top-k", f.sampling.top_k, "top-k, 0: off");
  add_flag_value(app, "--top-p", f.sampling.top_p, "top-p, 1: off");
  add_flag_value(app, "--min-p", f.sampling.min_p, "min-p, 0: off");
  add_flag_value(app, "--repeat-penalty", f.sampling.repeat_penalty, "1: off");
  add_flag_value(app, "--repeat-last-n", f.sampling.repeat_last_n, "tokens it looks back");
  add_flag_value(app, "-s,--seed", f.seed, "random seed, -1: a new one each time");
  app.add_option("--stop", f.options.stop, "string that ends the answer, may be repeated")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--grammar-file", f.grammar_file, "GBNF grammar that the answer follows");
  app.add_flag("--ignore-eos", f.options.ignore_eos, "go on after the model's end token");
}

Status read_answer_flags(const AnswerFlags& f, AnswerOptions* options, SamplingOptions* sampling) {
  RESTKV_RETURN_IF_ERROR(check_ranges(f));
  *options = f.options;
  *sampling = f.sampling;
  if (f.seed >= 0) sampling->seed = static_cast<uint32_t>(f.seed);
  if (f.grammar_file.empty()) return {};
  RESTKV_ASSIGN_OR_RETURN(sampling->grammar, read_text(f.grammar_file));
  if (sampling->grammar.empty() || sampling->grammar.find('\0') != std::string::npos) {
    return Status::model(f.grammar_file + " is no grammar: it is empty or holds a zero byte");
  }
  return {};
}

}  // namespace restkv::cli
