// The chapters of a section that state scores and differences. Thread safety: pure functions.
#pragma once

#include "report/document.h"
#include "report/estimate.h"
#include "report/results.h"

namespace restkv::report {

// "niah_single_1, 4,096 tokens"
std::string scope_title(const Scope& scope);

// Whether anything was evicted in it.
bool has_budgets(const Section& section);

// A table a scope: a row a series, a column a budget. Without budgets one table of all scopes.
Chapter score_chapter(const Section& section, const Estimates& estimates);
// A table a scope: a row a series and its reference, a column a budget.
Chapter difference_chapter(const Section& section, const Estimates& estimates);

}  // namespace restkv::report
