// A section's numbers as JSON: for the charts of the page, and for --json. Thread safety: pure
// functions.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "report/estimate.h"
#include "report/results.h"

namespace restkv::report {

// {"scopes": [{"title", "name", "length", "average"}], "series": [{"name", "policy", "kernel",
// "layout", "splits"}], "points": [[scope, series, budget, kv bytes, score, low, high, n]]}; null
// where there is no value.
nlohmann::ordered_json chart_data(const Section& section, const Estimates& estimates);

// All estimates with names: a list of "scores" and one of "differences".
nlohmann::ordered_json section_document(const Section& section, const std::string& title,
                                        const Estimates& estimates,
                                        const std::vector<std::string>& left_out);

}  // namespace restkv::report
