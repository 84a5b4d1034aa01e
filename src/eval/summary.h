// Mean scores of a result file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "restkv/status.h"

namespace restkv {

struct SummaryCell {
  std::string benchmark, task;
  std::optional<int64_t> length;
  std::string variant;
  int64_t n = 0;         // samples
  int64_t n_scored = 0;  // of them, those with a score
  double total = 0;      // of the scores
  double kv_bytes = 0;   // in total

  // 0..100; nothing: no sample has a score.
  std::optional<double> score() const {
    return n_scored > 0 ? std::optional(100 * total / static_cast<double>(n_scored)) : std::nullopt;
  }
};

// One cell for each task, length and variant, in the order of the file.
// Errors: as for_each_result_line().
Result<std::vector<SummaryCell>> summarize(const std::string& path);

// A block a task: a row a variant, a column a length.
std::string summary_table(const std::vector<SummaryCell>& cells);

}  // namespace restkv
