#include "cli/score_cases.h"

#include <cmath>
#include <iostream>

#include "cli/runtime.h"
#include "cli/score_task.h"
#include "scores/infinitebench.h"
#include "scores/longbench.h"
#include "scores/ruler.h"

namespace restkv::cli {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr double kTolerance = 1e-9;

Status score_simple(const json& record, std::string_view metric_name, const std::string& field,
                    ordered_json* scores) {
  RESTKV_ASSIGN_OR_RETURN(const Metric metric, find_metric(metric_name));
  RESTKV_ASSIGN_OR_RETURN(const std::string prediction, get_text(record, {"prediction"}));
  RESTKV_ASSIGN_OR_RETURN(const auto references, get_texts(record, {"references"}));
  RESTKV_ASSIGN_OR_RETURN(const auto classes, get_classes(record));
  put_score(field, best_score(metric, prediction, references, classes), scores);
  return {};
}

Status score_code_sim(const json& record, ordered_json* scores) {
  RESTKV_RETURN_IF_ERROR(score_simple(record, "code_sim", "score", scores));
  return score_simple(record, "code_sim_levenshtein", "score_levenshtein", scores);
}

Status score_niah(const json& record, ordered_json* scores) {
  RESTKV_RETURN_IF_ERROR(score_simple(record, "niah_rouge_1", "score", scores));
  RESTKV_ASSIGN_OR_RETURN(const std::string prediction, get_text(record, {"prediction"}));
  RESTKV_ASSIGN_OR_RETURN(const std::string expected, get_text(record, {"expected_answer"}));
  put_score("score_heatmap", niah_heatmap({prediction, expected}), scores);
  return {};
}

Status score_longbench_sample(const json& record, ordered_json* scores) {
  LongBenchSample sample;
  RESTKV_ASSIGN_OR_RETURN(const std::string name, get_text(record, {"dataset"}));
  RESTKV_ASSIGN_OR_RETURN(const LongBenchTask* const task, find_longbench_task(name));
  RESTKV_ASSIGN_OR_RETURN(sample.prediction, get_text(record, {"prediction"}));
  RESTKV_ASSIGN_OR_RETURN(sample.answers, get_texts(record, {"references"}));
  RESTKV_ASSIGN_OR_RETURN(const auto classes, get_classes(record));
  put_score("score", longbench_percent(longbench_sample(*task, sample, classes)), scores);
  return {};
}

Result<std::vector<LongBenchSample>> longbench_samples(const json& record) {
  RESTKV_ASSIGN_OR_RETURN(const auto predictions, get_texts(record, {"predictions"}));
  RESTKV_ASSIGN_OR_RETURN(const auto references,
                          get_text_lists(record, {"references"}, predictions.size()));
  RESTKV_ASSIGN_OR_RETURN(const json* const lengths, get_field(record, {"lengths"}));
  if (!lengths->is_array() || lengths->size() != predictions.size())
    return Status::model("field lengths must be a list as long as predictions");
  std::vector<LongBenchSample> samples;
  for (size_t i = 0; i < predictions.size(); ++i) {
    if (!(*lengths)[i].is_number()) return Status::model("field lengths must hold numbers");
    samples.push_back({predictions[i], references[i], length_in_words((*lengths)[i])});
  }
  return samples;
}

Status score_longbench_set(const json& record, ordered_json* scores) {
  RESTKV_ASSIGN_OR_RETURN(const std::string name, get_text(record, {"dataset"}));
  RESTKV_ASSIGN_OR_RETURN(const LongBenchTask* const task, find_longbench_task(name));
  RESTKV_ASSIGN_OR_RETURN(const auto samples, longbench_samples(record));
  RESTKV_ASSIGN_OR_RETURN(const auto classes, get_classes(record));
  const LongBenchScore score = longbench_score(*task, samples, classes);
  put_score("score", score.score, scores);
  (*scores)["score_e"] = describe_buckets(score);
  return {};
}

Status score_ruler(const json& record, StringMatch match, ordered_json* scores) {
  RESTKV_ASSIGN_OR_RETURN(const auto predictions, get_texts(record, {"predictions"}));
  RESTKV_ASSIGN_OR_RETURN(const auto references,
                          get_text_lists(record, {"references"}, predictions.size()));
  put_score("score", ruler_score(match, predictions, references, true), scores);
  put_score("score_without_postprocess", ruler_score(match, predictions, references, false),
            scores);
  return {};
}

Status score_infinitebench(const json& record, std::string_view task_name, ordered_json* scores) {
  RESTKV_ASSIGN_OR_RETURN(const InfiniteBenchTask* const task, find_infinitebench_task(task_name));
  RESTKV_ASSIGN_OR_RETURN(const std::string prediction, get_text(record, {"prediction"}));
  RESTKV_ASSIGN_OR_RETURN(const json* const label, get_field(record, {"label"}));
  put_score("score_official", task->metric({prediction, *label, InfiniteBenchForm::official}),
            scores);
  put_score("score_restkv", task->metric({prediction, *label, InfiniteBenchForm::reference}),
            scores);
  return {};
}

Status score_by_metric(const json& record, std::string_view metric, ordered_json* scores) {
  constexpr std::string_view kInfiniteBench = "infinitebench_";
  if (metric.starts_with(kInfiniteBench))
    return score_infinitebench(record, metric.substr(kInfiniteBench.size()), scores);
  if (metric == "longbench_sample") return score_longbench_sample(record, scores);
  if (metric == "longbench_dataset") return score_longbench_set(record, scores);
  if (metric == "ruler_string_match_all") return score_ruler(record, StringMatch::all, scores);
  if (metric == "ruler_string_match_part") return score_ruler(record, StringMatch::part, scores);
  if (metric == "niah") return score_niah(record, scores);
  if (metric == "code_sim") return score_code_sim(record, scores);
  return score_simple(record, metric, "score", scores);
}

bool agrees(const json& got, const json& expected) {
  if (got.is_number() && expected.is_number())
    return std::abs(got.get<double>() - expected.get<double>()) <= kTolerance;
  if (!got.is_object() || !expected.is_object()) return got == expected;
  if (got.size() != expected.size()) return false;
  for (const auto& [name, value] : expected.items()) {
    if (!got.contains(name) || !agrees(got[name], value)) return false;
  }
  return true;
}

// One line of the table; yields whether a score deviates from what the case expects.
bool print_case(const json& record, const ordered_json& scores) {
  std::cout << scores["id"].dump();
  for (const auto& [name, value] : scores.items()) {
    if (name != "id") std::cout << "  " << name << ' ' << value.dump();
  }
  bool deviates = false;
  for (const auto& [name, expected] : record.items()) {
    if (!name.starts_with("score") && !name.starts_with("error")) continue;
    const json got = scores.contains(name) ? json(scores[name]) : json();
    if (agrees(got, expected)) continue;
    std::cout << "  DEVIATES: " << name << " should be " << expected.dump();
    deviates = true;
  }
  std::cout << '\n';
  return deviates;
}

}  // namespace

Result<ordered_json> score_case(const json& record) {
  RESTKV_ASSIGN_OR_RETURN(const std::string metric, get_text(record, {"metric"}));
  ordered_json scores;
  scores["id"] = record.value("id", json());
  const Status status = score_by_metric(record, metric, &scores);
  // An unknown name in a file is the file's fault, not the command line's.
  if (!status.ok()) return Status::model(status.message());
  return scores;
}

Result<int> run_score_cases(const JsonLinesOptions& file, bool json) {
  ordered_json results = ordered_json::array();
  size_t n_case = 0, n_deviating = 0;
  const auto take = [&](const nlohmann::json& record) -> Status {
    RESTKV_ASSIGN_OR_RETURN(ordered_json scores, score_case(record));
    ++n_case;
    if (!json) n_deviating += print_case(record, scores) ? 1 : 0;
    if (json) results.push_back(std::move(scores));
    return {};
  };
  RESTKV_ASSIGN_OR_RETURN(const size_t n_skipped, for_each_json_line(file, take));
  if (n_case == 0) return Status::model(input_name(file.path) + " holds no cases");
  if (json) {
    ordered_json document{{"results", std::move(results)}};
    if (file.skip_bad) document["skipped"] = n_skipped;
    print_json(document);
  } else {
    std::cout << n_case << " cases, " << n_deviating << " deviate, " << n_skipped << " skipped\n";
  }
  RESTKV_RETURN_IF_ERROR(flush_output());
  return n_deviating > 0 ? 1 : 0;
}

}  // namespace restkv::cli
