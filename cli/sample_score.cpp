#include "cli/sample_score.h"

#include "scores/infinitebench.h"
#include "scores/metrics.h"
#include "scores/ruler.h"

namespace restkv::cli {
namespace {

using nlohmann::json;

void put_main(const Score& score, SampleScore* result) {
  if (score.ok()) {
    result->value = score.value;
  } else {
    result->others["error"] = score.error;
  }
}

void put_other(const char* name, const Score& score, SampleScore* result) {
  result->others[name] = nullptr;
  if (score.ok()) {
    result->others[name] = score.value;
  } else {
    result->others[std::string("error_") + name] = score.error;
  }
}

Result<SampleScore> of_longbench(const std::string& name, const json& record,
                                 const std::string& prediction) {
  RESTKV_ASSIGN_OR_RETURN(const LongBenchTask* const task, find_longbench_task(name));
  LongBenchSample sample{.prediction = prediction, .answers = {}};
  RESTKV_ASSIGN_OR_RETURN(sample.answers, get_texts(record, kAnswers));
  RESTKV_ASSIGN_OR_RETURN(const auto classes, get_classes(record));
  SampleScore result;
  put_main(longbench_sample(*task, sample, classes), &result);
  return result;
}

Result<SampleScore> of_ruler(const std::string& name, const json& record,
                             const std::string& prediction) {
  RESTKV_ASSIGN_OR_RETURN(const RulerTask* const task, find_ruler_like_task(name));
  RESTKV_ASSIGN_OR_RETURN(const auto answers, get_texts(record, kAnswers));
  SampleScore result;
  put_main(ruler_sample(task->match, prediction, answers, true), &result);
  put_other("without_postprocess", ruler_sample(task->match, prediction, answers, false), &result);
  return result;
}

Result<SampleScore> of_niah(const json& record, const std::string& prediction) {
  RESTKV_ASSIGN_OR_RETURN(const auto needles, get_texts(record, kNeedle));
  RESTKV_ASSIGN_OR_RETURN(const std::string expected, get_text(record, {"expected_answer"}));
  SampleScore result;
  put_main(niah_heatmap({prediction, expected}), &result);
  put_other("rouge_1", best_score(niah_rouge_1, prediction, needles, {}), &result);
  return result;
}

Result<SampleScore> of_infinitebench(const std::string& name, const json& record,
                                     const std::string& prediction) {
  RESTKV_ASSIGN_OR_RETURN(const InfiniteBenchTask* const task, find_infinitebench_task(name));
  RESTKV_ASSIGN_OR_RETURN(const Label label, infinitebench_label(*task, record));
  SampleScore result;
  put_main(task->metric({prediction, label, InfiniteBenchForm::official}), &result);
  put_other("restkv", task->metric({prediction, label, InfiniteBenchForm::reference}), &result);
  return result;
}

}  // namespace

Result<SampleScore> score_sample(Benchmark benchmark, const std::string& task, const Sample& sample,
                                 const std::string& prediction) {
  const json record = sample.fields;
  switch (benchmark) {
    case Benchmark::longbench:
      return of_longbench(task, record, prediction);
    case Benchmark::ruler:
      return of_ruler(task, record, prediction);
    case Benchmark::niah:
      return of_niah(record, prediction);
    case Benchmark::infinitebench:
      return of_infinitebench(task, record, prediction);
  }
  return Status::usage("there is no such benchmark");
}

Measure score_texts(Benchmark benchmark) {
  return generate_and_score(
      [benchmark](const std::string& task, const Sample& sample, const std::string& prediction) {
        return score_sample(benchmark, task, sample, prediction);
      });
}

}  // namespace restkv::cli
