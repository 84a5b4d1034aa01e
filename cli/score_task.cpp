#include "cli/score_task.h"

#include <algorithm>
#include <array>

#include "cli/runtime.h"
#include "scores/infinitebench.h"
#include "scores/rounding.h"
#include "tasks/ruler_samples.h"

namespace restkv::cli {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

const Names kPrediction = {"prediction", "pred", "model_response"};

ordered_json begin_document(const ScoreTaskOptions& options, size_t n_sample, size_t n_skipped) {
  return {{"benchmark", benchmark_name(options.benchmark)},
          {"task", options.task},
          {"samples", n_sample},
          {"skipped", n_skipped}};
}

// Lines that `restkv eval` wrote name their task, length and variant, and a score is of one of
// each. Those of other programs pass.
class OneCell {
 public:
  explicit OneCell(const ScoreTaskOptions& options) : options_(options) {}

  // Error: model.
  Status check(const json& record) const {
    if (!is_of_eval(record)) return {};
    if (record["benchmark"] != benchmark_name(options_.benchmark))
      return Status::model("the line is of " + record["benchmark"].dump());
    if (record["task"] != options_.task)
      return Status::model("the line is of the task " + record["task"].dump());
    for (const char* name : names()) {
      if (first_.is_null() || record.value(name, json()) == first_.value(name, json())) continue;
      return Status::model("the line's " + std::string(name) + " is " +
                           record.value(name, json()).dump() + ", before it is " +
                           first_.value(name, json()).dump() +
                           ": one is scored at a time (all of them: restkv report)");
    }
    return {};
  }
  void keep(const json& record) {
    if (first_.is_null() && is_of_eval(record)) first_ = record;
  }

 private:
  static bool is_of_eval(const json& record) {
    return std::ranges::all_of(std::array{"benchmark", "task", "variant"}, [&](const char* name) {
      const auto found = record.find(name);
      return found != record.end() && found->is_string();
    });
  }
  // LongBench's lengths are the samples' own.
  std::vector<const char*> names() const {
    if (options_.benchmark == Benchmark::longbench) return {"variant"};
    return {"variant", "length"};
  }

  const ScoreTaskOptions& options_;
  json first_;
};

// A line of another cell is no malformed one: it ends the reading whatever --skip-bad says.
Result<size_t> read_lines(const ScoreTaskOptions& options,
                          const std::function<Status(const json& record)>& take) {
  size_t n_taken = 0;
  OneCell cell(options);
  Status foreign;
  const auto take_one = [&](const json& record) -> Status {
    if (!foreign.ok()) return foreign;
    foreign = cell.check(record);
    RESTKV_RETURN_IF_ERROR(foreign);
    RESTKV_RETURN_IF_ERROR(take(record));
    cell.keep(record);
    ++n_taken;
    return {};
  };
  RESTKV_ASSIGN_OR_RETURN(const size_t n_skipped, for_each_json_line(options.file, take_one));
  if (!foreign.ok()) return Status::model(input_name(options.file.path) + ": " + foreign.message());
  if (n_taken > 0) return n_skipped;
  return Status::model(input_name(options.file.path) + " holds no predictions" +
                       (n_skipped > 0 ? ", " + std::to_string(n_skipped) + " lines are bad" : ""));
}

struct LongBenchLines {
  std::vector<LongBenchSample> samples;
  std::vector<std::string> all_classes;  // of the last line that has some, as published
  bool have_lengths = true;
};

Status take_longbench(const LongBenchTask& task, const json& record, LongBenchLines* lines) {
  LongBenchSample sample;
  RESTKV_ASSIGN_OR_RETURN(sample.prediction, get_text(record, kPrediction));
  RESTKV_ASSIGN_OR_RETURN(sample.answers, get_texts(record, kAnswers));
  RESTKV_ASSIGN_OR_RETURN(auto classes, get_classes(record));
  if (classes.empty() && task.metric == classification) {
    return Status::model("field all_classes is missing or empty, " + std::string(task.name) +
                         " needs the names of its classes");
  }
  if (!classes.empty()) lines->all_classes = std::move(classes);
  const json* const length = find_field(record, {"words", "length"});
  lines->have_lengths &= length != nullptr && length->is_number();
  if (lines->have_lengths) sample.length = length_in_words(*length);
  lines->samples.push_back(std::move(sample));
  return {};
}

Result<ordered_json> score_longbench(const ScoreTaskOptions& options) {
  RESTKV_ASSIGN_OR_RETURN(const LongBenchTask* const found, find_longbench_task(options.task));
  LongBenchTask task = *found;
  if (options.levenshtein) {
    if (task.metric != code_sim)
      return Status::usage("--levenshtein is given, " + options.task + " is no code set");
    task.metric = code_sim_levenshtein;
    task.metric_name = "code_sim_levenshtein";
  }
  LongBenchLines lines;
  RESTKV_ASSIGN_OR_RETURN(const size_t n_skipped, read_lines(options, [&](const json& record) {
                            return take_longbench(task, record, &lines);
                          }));
  const LongBenchScore score = longbench_score(task, lines.samples, lines.all_classes);
  ordered_json document = begin_document(options, lines.samples.size(), n_skipped);
  document["category"] = task.category;
  document["metric"] = task.metric_name;
  put_score("score", score.score, &document);
  if (lines.have_lengths) document["score_e"] = describe_buckets(score);
  return document;
}

Result<ordered_json> score_ruler(const ScoreTaskOptions& options) {
  RESTKV_ASSIGN_OR_RETURN(const RulerTask* const task, find_ruler_like_task(options.task));
  std::vector<std::string> predictions;
  std::vector<std::vector<std::string>> references;
  const auto take = [&](const json& record) -> Status {
    RESTKV_ASSIGN_OR_RETURN(std::string prediction, get_text(record, kPrediction));
    RESTKV_ASSIGN_OR_RETURN(auto answers, get_texts(record, kAnswers));
    if (answers.empty()) return Status::model("the list of answers is empty");
    predictions.push_back(std::move(prediction));
    references.push_back(std::move(answers));
    return {};
  };
  RESTKV_ASSIGN_OR_RETURN(const size_t n_skipped, read_lines(options, take));
  ordered_json document = begin_document(options, predictions.size(), n_skipped);
  document["category"] = task->category;
  document["metric"] = task->match == StringMatch::all ? "string_match_all" : "string_match_part";
  put_score("score", ruler_score(task->match, predictions, references, true), &document);
  put_score("score_without_postprocess", ruler_score(task->match, predictions, references, false),
            &document);
  return document;
}

// Means of the samples' scores times `scale`; the first exception ends it, as it ends the published
// run.
class MeanScore {
 public:
  void add(const Score& score) {
    if (error_.empty()) error_ = score.error;
    values_.push_back(score.value);
  }
  Score times(double scale) const {
    return error_.empty() ? Score(mean(values_) * scale) : Score::raises(error_);
  }
  bool empty() const { return values_.empty(); }

 private:
  std::vector<double> values_;
  std::string_view error_;
};

Result<ordered_json> score_niah(const ScoreTaskOptions& options) {
  if (options.task != "niah")
    return Status::usage("the task is \"" + options.task + "\", the needle test has niah");
  MeanScore rouge, heatmap;
  size_t n_sample = 0;
  const auto take = [&](const json& record) -> Status {
    RESTKV_ASSIGN_OR_RETURN(const std::string prediction, get_text(record, kPrediction));
    RESTKV_ASSIGN_OR_RETURN(const auto needles, get_texts(record, kNeedle));
    if (find_field(record, {"expected_answer"}) != nullptr) {
      RESTKV_ASSIGN_OR_RETURN(const std::string expected, get_text(record, {"expected_answer"}));
      heatmap.add(niah_heatmap({prediction, expected}));
    }
    rouge.add(best_score(niah_rouge_1, prediction, needles, {}));
    ++n_sample;
    return {};
  };
  RESTKV_ASSIGN_OR_RETURN(const size_t n_skipped, read_lines(options, take));
  ordered_json document = begin_document(options, n_sample, n_skipped);
  put_score("score", rouge.times(1), &document);
  if (!heatmap.empty()) put_score("score_heatmap", heatmap.times(1), &document);
  return document;
}

Result<ordered_json> score_infinitebench(const ScoreTaskOptions& options) {
  RESTKV_ASSIGN_OR_RETURN(const InfiniteBenchTask* const task,
                          find_infinitebench_task(options.task));
  MeanScore official, reference;
  size_t n_sample = 0;
  const auto take = [&](const json& record) -> Status {
    RESTKV_ASSIGN_OR_RETURN(const std::string prediction, get_text(record, kPrediction));
    RESTKV_ASSIGN_OR_RETURN(const Label label, infinitebench_label(*task, record));
    official.add(task->metric({prediction, label, InfiniteBenchForm::official}));
    reference.add(task->metric({prediction, label, InfiniteBenchForm::reference}));
    ++n_sample;
    return {};
  };
  RESTKV_ASSIGN_OR_RETURN(const size_t n_skipped, read_lines(options, take));
  ordered_json document = begin_document(options, n_sample, n_skipped);
  document["paper_name"] = task->paper_name;
  put_score("score_official", official.times(100), &document);
  put_score("score_restkv", reference.times(100), &document);
  return document;
}

}  // namespace

const Names kAnswers = {"answers", "outputs", "references",   "reference",
                        "label",   "answer",  "ground_truth", "output"};
const Names kLabel = {"label", "ground_truth", "answers", "answer", "reference", "references"};
const Names kNeedle = {"needle", "references", "reference"};

Result<const RulerTask*> find_ruler_like_task(std::string_view name) {
  static constexpr RulerTask kJsonWords{kJsonWordsTask, "retrieval", StringMatch::all,
                                        kJsonWordsNewTokens, false};
  if (name == kJsonWordsTask) return &kJsonWords;
  return find_ruler_task(name);
}

Result<Label> infinitebench_label(const InfiniteBenchTask& task, const json& record) {
  RESTKV_ASSIGN_OR_RETURN(const json* const label, get_field(record, kLabel));
  const bool is_choice =
      task.metric == infinitebench_choice || task.metric == infinitebench_code_debug;
  const json* const options = find_field(record, {"options"});
  if (!is_choice || options == nullptr) return *label;
  const auto built = infinitebench_choice_label(*label, *options);
  if (!built.has_value()) return Status::model("the answer is none of the options");
  return *built;
}

const char* benchmark_name(Benchmark benchmark) {
  switch (benchmark) {
    case Benchmark::longbench:
      return "longbench";
    case Benchmark::ruler:
      return "ruler";
    case Benchmark::niah:
      return "niah";
    case Benchmark::infinitebench:
      return "infinitebench";
  }
  return "";
}

void put_score(const std::string& name, const Score& score, ordered_json* document) {
  if (score.ok()) {
    (*document)[name] = score.value;
    return;
  }
  constexpr std::string_view kScore = "score";
  (*document)[name] = nullptr;
  (*document)["error" + name.substr(kScore.size())] = score.error;
}

int64_t length_in_words(const json& number) {
  constexpr double kMost = 1e15;
  return static_cast<int64_t>(std::clamp(number.get<double>(), -kMost, kMost));
}

ordered_json describe_buckets(const LongBenchScore& score) {
  ordered_json buckets = ordered_json::object();
  for (size_t b = 0; b < kLongBenchBuckets.size(); ++b) {
    ordered_json& value = buckets[std::string(kLongBenchBuckets[b])];
    if (score.by_length[b].has_value()) value = *score.by_length[b];
  }
  return buckets;
}

Result<ordered_json> score_task(const ScoreTaskOptions& options) {
  switch (options.benchmark) {
    case Benchmark::longbench:
      return score_longbench(options);
    case Benchmark::ruler:
      return score_ruler(options);
    case Benchmark::niah:
      return score_niah(options);
    case Benchmark::infinitebench:
      return score_infinitebench(options);
  }
  return Status::usage("no benchmark");
}

}  // namespace restkv::cli
