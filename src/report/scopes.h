// What a section's scores are stated for: its tasks, and averages of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/results.h"

namespace restkv::report {

struct Scope {
  std::string name;               // a task, or what is averaged
  std::optional<int64_t> length;  // target tokens
  struct Part {
    size_t stratum;
    double weight;  // all parts together: 1
  };
  std::vector<Part> parts;

  bool is_average() const { return parts.size() > 1; }
};

// Averages before what they are made of. At each length: the mean over its tasks (LongBench: of
// data sets, of categories, and of each category's sets). Over lengths where all have the same
// tasks.
std::vector<Scope> scopes_of(const Section& section);

}  // namespace restkv::report
