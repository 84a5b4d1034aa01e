// The prompt and the label of an InfiniteBench record, by the rules of each task. Thread safety:
// pure functions.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "restkv/status.h"

namespace restkv {

// The template filled from the record's `context` (or `content`), `input` and `options`. Errors:
// model (a field is missing, of another type, or does not hold what the task looks for in it).
Result<std::string> infinitebench_prompt(std::string_view task, std::string_view text,
                                         const nlohmann::json& record);

// What the task's metric takes: of multiple choice [option, letter], else the `answer`. Errors:
// model (missing, or none of the options).
Result<nlohmann::json> infinitebench_label(std::string_view task, const nlohmann::json& record);

}  // namespace restkv
