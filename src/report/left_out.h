// What the numbers of a section do not cover. Thread safety: a pure function.
#pragma once

#include <string>
#include <vector>

#include "report/estimate.h"
#include "report/results.h"

namespace restkv::report {

// A sentence each: lines without a score, samples without a partner, averages that a variant has no
// part in, tasks of the benchmark that were not run, cut prompts, budgets that were exceeded.
std::vector<std::string> left_out(const Section& section, const Estimates& estimates);

}  // namespace restkv::report
