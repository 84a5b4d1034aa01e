#include "cli/score_folder.h"

#include <filesystem>

#include "scores/infinitebench.h"
#include "scores/rounding.h"
#include "scores/ruler.h"

namespace restkv::cli {
namespace {

using nlohmann::ordered_json;

struct Task {
  std::string name;
  bool in_reference;  // counts in the second average of RULER and InfiniteBench
};

std::vector<Task> tasks_of(Benchmark benchmark) {
  std::vector<Task> tasks;
  if (benchmark == Benchmark::longbench) {
    for (const LongBenchTask& task : longbench_tasks())
      tasks.push_back({std::string(task.name), true});
  } else if (benchmark == Benchmark::ruler) {
    for (const RulerTask& task : ruler_tasks())
      tasks.push_back({std::string(task.name), task.in_reference});
  } else {
    for (const InfiniteBenchTask& task : infinitebench_tasks())
      tasks.push_back({std::string(task.name), task.in_paper});
  }
  return tasks;
}

ordered_json longbench_averages_of(const ordered_json& tasks) {
  std::vector<std::pair<std::string, double>> scores;
  for (const ordered_json& task : tasks) {
    if (task["score"].is_number()) scores.emplace_back(task["task"], task["score"]);
  }
  const LongBenchAverages averages = longbench_averages(scores);
  ordered_json document;
  for (const auto& [category, score] : averages.categories)
    document["categories"][std::string(category)] = score;
  if (averages.of_data_sets) document["of_data_sets"] = *averages.of_data_sets;
  if (averages.of_categories) document["of_categories"] = *averages.of_categories;
  return document;
}

// The mean of one score over the tasks that have it.
void put_mean(const ordered_json& tasks, const std::vector<Task>& table, bool reference_only,
              const std::string& score, const std::string& name, ordered_json* document) {
  std::vector<double> values;
  for (const ordered_json& scored : tasks) {
    for (const Task& task : table) {
      const bool counts = task.name == scored["task"] && (task.in_reference || !reference_only);
      if (counts && scored.contains(score) && scored[score].is_number())
        values.push_back(scored[score]);
    }
  }
  if (!values.empty()) (*document)[name] = mean(values);
}

ordered_json averages_of(Benchmark benchmark, const ordered_json& tasks,
                         const std::vector<Task>& table) {
  if (benchmark == Benchmark::longbench) return longbench_averages_of(tasks);
  ordered_json averages = ordered_json::object();
  const bool infinitebench = benchmark == Benchmark::infinitebench;
  const std::string official = infinitebench ? "score_official" : "score";
  const std::string reference = infinitebench ? "score_restkv" : "score_without_postprocess";
  put_mean(tasks, table, false, official, "of_tasks", &averages);
  put_mean(tasks, table, true, reference, "of_tasks_as_the_reference", &averages);
  return averages;
}

bool has_score(const ordered_json& task) {
  for (const auto& [name, value] : task.items()) {
    if (name.starts_with("score") && value.is_number()) return true;
  }
  return false;
}

}  // namespace

Result<ordered_json> score_folder(const ScoreTaskOptions& options) {
  const std::vector<Task> table = tasks_of(options.benchmark);
  ordered_json tasks = ordered_json::array(), missing = ordered_json::array();
  for (const Task& task : table) {
    ScoreTaskOptions one = options;
    one.task = task.name;
    one.file.path = options.file.path + "/" + task.name + ".jsonl";
    std::error_code ignored;
    if (std::filesystem::exists(one.file.path, ignored)) {
      RESTKV_ASSIGN_OR_RETURN(ordered_json scored, score_task(one));
      if (!has_score(scored)) missing.push_back(task.name);
      tasks.push_back(std::move(scored));
    } else {
      missing.push_back(task.name);
    }
  }
  if (tasks.empty()) {
    return Status::model(options.file.path + " holds no <task>.jsonl of " +
                         benchmark_name(options.benchmark));
  }
  ordered_json averages = averages_of(options.benchmark, tasks, table);
  return ordered_json{{"benchmark", benchmark_name(options.benchmark)},
                      {"tasks", std::move(tasks)},
                      {"averages", std::move(averages)},
                      {"missing", std::move(missing)}};
}

}  // namespace restkv::cli
