#include "cli/eval_run.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>

#include "cli/runtime.h"
#include "cli/version.h"
#include "eval/result_file.h"
#include "eval/summary.h"
#include "sparse/pattern.h"

namespace restkv::cli {
namespace {

using nlohmann::ordered_json;

ordered_json describe_attention(const PrefillAttention& attention) {
  using Kind = PrefillAttention::Kind;
  ordered_json document{{"kind", sparse::pattern_name(attention.kind)}};
  if (attention.kind == Kind::flex) {
    document["gamma"] = attention.gamma;
    document["tau"] = attention.tau;
    document["min_budget"] = attention.min_budget;
  }
  if (attention.kind == Kind::minference) {
    document["vertical"] = attention.n_vertical;
    document["slash"] = attention.n_slash;
  }
  if (attention.kind == Kind::a_shape) {
    document["sink"] = attention.n_sink;
    document["local"] = attention.n_local;
  }
  return document;
}

Result<std::string> prompts_mark(const EvalFlags& flags) {
  if (flags.prompts.empty()) return std::string("restkv");
  RESTKV_ASSIGN_OR_RETURN(const std::string content, read_bytes(flags.prompts));
  return file_mark(flags.prompts, content);
}

Result<ordered_json> describe_config(const EvalFlags& flags, const EvalBenchmark& benchmark,
                                     const Evaluation& evaluation, const Model& model,
                                     const std::string& name) {
  RESTKV_ASSIGN_OR_RETURN(const std::string prompts, prompts_mark(flags));
  std::error_code error;
  const auto bytes = std::filesystem::file_size(model.path(), error);
  ordered_json config{
      {"restkv", kVersion},
      {"model", {{"name", name}, {"family", model.family().arch}, {"bytes", error ? 0 : bytes}}},
      {"prompt_style", flags.style},
      {"preset", nullptr},
      {"seed", flags.seed},
      {"kernels", flags.model.kernels},
      {"prefill_attention", describe_attention(evaluation.attention)},
      {"max_length", nullptr},
      {"prompts", prompts},
      {"data", benchmark.data}};
  if (!benchmark.preset.empty()) config["preset"] = benchmark.preset;
  if (flags.max_length > 0) config["max_length"] = flags.max_length;
  return config;
}

Status check_model(const Model& model, const Evaluation& evaluation) {
  if (evaluation.prompt.style == PromptStyle::chat && !model.tokenizer().has_chat_template())
    return Status::model(model.path() + " has no chat template, --prompt-style chat needs one");
  for (const Variant& variant : evaluation.variants) {
    const Status status = variant.plan->check_model(model.hparams());
    if (!status.ok())
      return Status(status.kind(), "variant " + variant.name + ": " + status.message());
  }
  return {};
}

// The longest prompt that is known beforehand, in all processes at once.
Status check_longest(const Model& model, const Evaluation& evaluation) {
  int64_t longest = 0;
  for (const EvalCell& cell : evaluation.cells)
    longest = std::max(longest, cell.length.value_or(0));
  if (longest == 0) return {};
  const int64_t n_ctx = model.hparams().n_ctx_train;
  if (longest > n_ctx && evaluation.prompt.max_length == 0) {
    warn("--length is " + std::to_string(longest) + ", the model was trained on " +
         std::to_string(n_ctx) + ": longer prompts lose their middle (--max-length)");
  }
  if (evaluation.prompt.max_length > 0) longest = std::min(longest, evaluation.prompt.max_length);
  return check_eval_memory(model.hparams(), evaluation, longest, 0, evaluation.n_process,
                           evaluation.group_size());
}

std::string time_text(double seconds) {
  const auto s = static_cast<int64_t>(std::llround(seconds));
  char text[48];
  if (s < 60) {
    std::snprintf(text, sizeof text, "%lld s", static_cast<long long>(s));
  } else if (s < 3600) {
    std::snprintf(text, sizeof text, "%lld min %02lld s", static_cast<long long>(s / 60),
                  static_cast<long long>(s % 60));
  } else {
    std::snprintf(text, sizeof text, "%lld h %02lld min", static_cast<long long>(s / 3600),
                  static_cast<long long>(s / 60 % 60));
  }
  return text;
}

std::string progress_text(const EvalProgress& p) {
  constexpr int kWidth = 20;
  const double done = p.n_sample > 0 ? static_cast<double>(p.n_done) / p.n_sample : 1;
  const int filled = static_cast<int>(done * kWidth);
  std::string text = "[" + std::string(filled, '#') + std::string(kWidth - filled, '.') + "] " +
                     std::to_string(p.n_done) + " of " + std::to_string(p.n_sample) + " samples";
  if (p.left_s) text += ", " + time_text(*p.left_s) + " left";
  if (p.task.empty()) return text;
  text += "; " + p.task + (p.length ? " " + std::to_string(*p.length) : "");
  if (p.reading) text += ", reading " + std::to_string(static_cast<int>(100 * *p.reading)) + " %";
  return text;
}

Status print_summary(const EvalFlags& flags, const EvalOutcome& outcome, int64_t n_skipped) {
  RESTKV_ASSIGN_OR_RETURN(const std::vector<SummaryCell> cells, summarize(flags.out));
  if (!flags.json) {
    std::cout << summary_table(cells) << "\n"
              << outcome.n_sample << " samples, " << outcome.n_answered << " of them answered now";
    if (n_skipped > 0) std::cout << ", " << n_skipped << " malformed data lines left out";
    std::cout << "; lines in " << flags.out << std::endl;
    return flush_output();
  }
  ordered_json rows = ordered_json::array();
  for (const SummaryCell& cell : cells) {
    ordered_json row{{"benchmark", cell.benchmark},
                     {"task", cell.task},
                     {"length", nullptr},
                     {"variant", cell.variant},
                     {"samples", cell.n},
                     {"scored", cell.n_scored},
                     {"score", nullptr},
                     {"kv_bytes", cell.kv_bytes / static_cast<double>(cell.n)}};
    if (cell.length) row["length"] = *cell.length;
    if (cell.score()) row["score"] = *cell.score();
    rows.push_back(std::move(row));
  }
  print_json({{"out", flags.out},
              {"samples", outcome.n_sample},
              {"answered", outcome.n_answered},
              {"skipped", n_skipped},
              {"scores", rows}});
  return flush_output();
}

int64_t count_skipped(const std::vector<EvalCell>& cells) {
  int64_t n = 0;
  for (const EvalCell& cell : cells)
    n += cell.source->n_skipped();
  return n;
}

class FirstSamples : public SampleSource {
 public:
  FirstSamples(std::unique_ptr<SampleSource> source, int64_t n)
      : source_(std::move(source)), n_(std::min(n, source_->size())) {}
  int64_t size() const override { return n_; }
  Result<Sample> sample(int64_t i) const override { return source_->sample(i); }
  int64_t n_skipped() const override { return source_->n_skipped(); }

 private:
  std::unique_ptr<SampleSource> source_;
  int64_t n_;
};

Status prepare(const EvalFlags& flags, const EvalBenchmark& benchmark, const Model& model,
               const std::string& name, Evaluation* evaluation) {
  RESTKV_RETURN_IF_ERROR(check_model(model, *evaluation));
  SampleContext context{.tokens = text_tokens(model.tokenizer())};
  if (evaluation->prompt.style == PromptStyle::chat) {
    RESTKV_ASSIGN_OR_RETURN(context.n_template, count_chat_form(prompt_text(model)));
  }
  evaluation->prompt.n_ctx_train = model.hparams().n_ctx_train;
  RESTKV_ASSIGN_OR_RETURN(evaluation->cells, benchmark.make_cells(context));
  evaluation->n_together =
      flags.n_together ? *flags.n_together : usual_together(model.hparams(), *evaluation);
  RESTKV_RETURN_IF_ERROR(check_longest(model, *evaluation));
  RESTKV_ASSIGN_OR_RETURN(evaluation->config,
                          describe_config(flags, benchmark, *evaluation, model, name));
  return {};
}

}  // namespace

Result<int> run_eval(const EvalFlags& flags, Evaluation evaluation,
                     const EvalBenchmark& benchmark) {
  evaluation.benchmark = benchmark.name;
  evaluation.measure = benchmark.measure;
  RESTKV_RETURN_IF_ERROR(check_writable(flags.out));
  RESTKV_RETURN_IF_ERROR(ResultFile::check_path(flags.out));
  ProgressLine progress;
  const std::string path = model_path(flags.model);
  RESTKV_ASSIGN_OR_RETURN(
      const std::shared_ptr<const Model> model,
      Model::load(
          path, [&](const char* stage) { progress.show("loading: " + std::string(stage)); },
          evaluation.engine.kernels));
  RESTKV_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::open(path));
  progress.show("making samples");
  RESTKV_RETURN_IF_ERROR(prepare(flags, benchmark, *model, file.name, &evaluation));
  evaluation.cancel = begin_interruptible();
  evaluation.on_progress = [&](const EvalProgress& p) { progress.show(progress_text(p)); };
  const auto outcome = evaluate(*model, evaluation);
  progress.clear();
  if (evaluation.cancel->load()) {
    warn("interrupted; the same command goes on where " + flags.out + " ends");
    return 130;
  }
  if (!outcome.ok()) return outcome.status();
  RESTKV_RETURN_IF_ERROR(print_summary(flags, *outcome, count_skipped(evaluation.cells)));
  return 0;
}

Result<std::shared_ptr<const Prompts>> load_prompts(const EvalFlags& flags, PromptSet set) {
  if (flags.prompts.empty()) return std::shared_ptr<const Prompts>();
  RESTKV_ASSIGN_OR_RETURN(Prompts prompts, Prompts::load(set, flags.prompts));
  return std::shared_ptr<const Prompts>(std::make_shared<Prompts>(std::move(prompts)));
}

Result<std::vector<std::string>> choose_tasks(const std::vector<std::string>& given,
                                              const std::vector<std::string>& known,
                                              const std::vector<TaskGroup>& groups) {
  std::vector<std::string> tasks;
  const auto add = [&](const std::string& task) {
    if (std::ranges::find(tasks, task) == tasks.end()) tasks.push_back(task);
  };
  for (const std::string& name : given) {
    const auto group = std::ranges::find(groups, name, &TaskGroup::name);
    if (group != groups.end()) {
      std::ranges::for_each(group->tasks, add);
    } else if (std::ranges::find(known, name) != known.end()) {
      add(name);
    } else {
      std::string list;
      for (const TaskGroup& g : groups)
        list += g.name + ", ";
      for (const std::string& task : known)
        list += (&task == &known.front() ? "" : ", ") + task;
      return Status::usage("--task is \"" + name + "\", allowed: " + list);
    }
  }
  if (tasks.empty()) return Status::usage("--task is empty, it must name a task");
  return tasks;
}

std::shared_ptr<const SampleSource> first_samples(std::unique_ptr<SampleSource> source,
                                                  std::optional<int64_t> n) {
  if (!n) return source;
  return std::make_shared<FirstSamples>(std::move(source), *n);
}

}  // namespace restkv::cli
