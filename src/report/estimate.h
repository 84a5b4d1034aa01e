// Scores and differences with their intervals.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "report/bootstrap.h"
#include "report/comparisons.h"
#include "report/results.h"
#include "report/scopes.h"

namespace restkv::report {

// A variant's score, or its score less a reference's over the samples that both have.
struct Quantity {
  size_t variant = 0;               // into Section::variants
  std::optional<size_t> reference;  // likewise
};

struct Estimate {
  double value = 0;                  // percent, or percentage points
  std::optional<Interval> interval;  // 95 %; nothing where a task has one sample
  size_t n = 0;                      // samples, or pairs

  // Whether the interval is on one side of 0. Rounding of sums is not a difference.
  bool excludes_zero() const {
    constexpr double kRounding = 1e-9;
    return interval && (interval->low > kRounding || interval->high < -kRounding);
  }
};

struct Estimates {
  std::vector<Scope> scopes;
  std::vector<Quantity> quantities;
  std::vector<std::optional<Estimate>> values;  // [n_scope][n_quantity]

  const std::optional<Estimate>& at(size_t scope, size_t quantity) const {
    return values[scope * quantities.size() + quantity];
  }
};

// Every quantity in every scope. A score of a task is its mean times 100, rounded as the benchmarks
// round it; an average is one of such scores, and its resamples are drawn within each task. There
// is no estimate where a task of the scope has no sample: a missing value is never averaged.
Estimates estimate(const Section& section, std::vector<Scope> scopes,
                   std::vector<Quantity> quantities, const Resampling& resampling);

// Scores of all variants, then all comparisons.
std::vector<Quantity> quantities_of(const Section& section,
                                    const std::vector<Comparison>& comparisons);

}  // namespace restkv::report
