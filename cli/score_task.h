// `restkv score BENCHMARK`: the score of a task from a file of result lines.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "cli/json_lines.h"
#include "restkv/status.h"
#include "scores/infinitebench.h"
#include "scores/longbench.h"
#include "scores/ruler.h"
#include "scores/score.h"

namespace restkv::cli {

enum class Benchmark { longbench, ruler, niah, infinitebench };
const char* benchmark_name(Benchmark benchmark);

// What the benchmarks' own runners call the answers.
extern const Names kAnswers, kLabel, kNeedle;

// RULER's tasks, and json_words, which is read and scored like them. Error: usage.
Result<const RulerTask*> find_ruler_like_task(std::string_view name);
// The label of a record; one of the data files has none but an answer and the options.
// Error: model.
Result<Label> infinitebench_label(const InfiniteBenchTask& task, const nlohmann::json& record);

struct ScoreTaskOptions {
  Benchmark benchmark = Benchmark::longbench;
  std::string task;
  JsonLinesOptions file;
  bool levenshtein = false;  // the code sets' similarity in its other form
};

// Writes `score` under `name` ("score", "score_official" ...), or null and the exception's name
// under the same name with "error" for "score".
void put_score(const std::string& name, const Score& score, nlohmann::ordered_json* document);
// The `length` of a LongBench record, which is any JSON number.
int64_t length_in_words(const nlohmann::json& number);
// {"0-4k": ..}, null for a bucket without samples.
nlohmann::ordered_json describe_buckets(const LongBenchScore& score);

// {"benchmark", "task", "samples", "skipped", then the scores by name}. Errors: usage (unknown
// task), model (the file, a line of it, no samples).
Result<nlohmann::ordered_json> score_task(const ScoreTaskOptions& options);

}  // namespace restkv::cli
