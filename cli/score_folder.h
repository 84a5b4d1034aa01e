// `restkv score BENCHMARK FOLDER`: every task that has a file there, and the averages.
#pragma once

#include "cli/score_task.h"

namespace restkv::cli {

// {"benchmark", "tasks": [as score_task() describes them], "averages": {by name}, "missing": [tasks
// without a file or a score]}. A task's file is <task>.jsonl. Missing tasks count in no average.
// Errors: as score_task()'s, and model (no file of any task).
// REQUIRES: the benchmark is not niah, which has one task.
Result<nlohmann::ordered_json> score_folder(const ScoreTaskOptions& options);

}  // namespace restkv::cli
