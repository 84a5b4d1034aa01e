// The chapter on score by bytes of KV. Thread safety: a pure function.
#pragma once

#include "report/document.h"
#include "report/estimate.h"
#include "report/results.h"

namespace restkv::report {

// The mean of kv.bytes over a scope's tasks, weighted as its score. Nothing: a task lacks it.
std::optional<double> mean_kv_bytes(const Section& section, const Scope& scope, size_t variant);
// The same of what an f16 cache of every token would take.
std::optional<double> mean_full_bytes(const Section& section, const Scope& scope, size_t variant);

// A table an average (all scopes if there is none): what a variant's cache takes, and its score.
Chapter memory_chapter(const Section& section, const Estimates& estimates);

}  // namespace restkv::report
