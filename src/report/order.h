// The order in which a report lists things. Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <tuple>

#include "report/record.h"

namespace restkv::report {

// The place of a task in its benchmark's table; behind all others where there is none.
size_t task_rank(std::string_view benchmark, std::string_view task);

size_t benchmark_rank(std::string_view benchmark);

// The full cache, ReST-KV, then the baselines; unknown ones last.
size_t policy_rank(std::string_view policy);

using SeriesKey =
    std::tuple<size_t, std::string, std::string, int64_t, std::string, std::string, std::string>;
// Ascending: by policy, splits, kernel, then the rest.
SeriesKey series_key(const Series& series);

}  // namespace restkv::report
