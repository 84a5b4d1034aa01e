// `restkv score --cases FILE`: recorded cases, one metric call a line (docs/metrics.md).
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "cli/json_lines.h"

namespace restkv::cli {

// The scores of one case by their names. Errors: model (unknown metric, a field missing or wrong).
Result<nlohmann::ordered_json> score_case(const nlohmann::json& record);

// Runs all cases and prints them. With `json` one document; otherwise a table that also compares
// with what a case expects. Yields the exit code: 1 if, in the table, a score deviates.
Result<int> run_score_cases(const JsonLinesOptions& file, bool json);

}  // namespace restkv::cli
