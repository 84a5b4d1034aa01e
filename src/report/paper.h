// What the ReST-KV paper (arXiv 2605.08840) reports, to stand beside what was measured. Other
// models on other hardware: the order of methods compares, the figures do not. Thread safety: pure
// functions.
#pragma once

#include "report/document.h"
#include "report/estimate.h"
#include "report/results.h"

namespace restkv::report {

// RULER by length and LongBench's average by budget, where the section is one of the two and has an
// average over tasks. Without tables otherwise.
Chapter paper_chapter(const Section& section, const Estimates& estimates);

}  // namespace restkv::report
