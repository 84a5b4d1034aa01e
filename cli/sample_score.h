// The score of one answer, as `restkv score` counts it.
#pragma once

#include <string>

#include "cli/score_task.h"
#include "eval/measure.h"
#include "tasks/sample.h"

namespace restkv::cli {

// `value` is what `restkv score` averages (by its name: score, score_official; for the needle test
// score_heatmap), 0..1; `others` are its other forms: ruler {"without_postprocess"}, niah
// {"rouge_1"} (0..10), infinitebench {"restkv"}. A form whose published code ends with an exception
// is null, and "error" names it.
// Errors: usage (an unknown task), model (a sample without its answers).
Result<SampleScore> score_sample(Benchmark benchmark, const std::string& task, const Sample& sample,
                                 const std::string& prediction);

// Answers, scored so.
Measure score_texts(Benchmark benchmark);

}  // namespace restkv::cli
