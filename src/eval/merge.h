// Result files of the parts of a run, as one.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "restkv/status.h"

namespace restkv {

struct MergedResults {
  std::string content;     // lines
  int64_t n_line = 0;      // of content
  int64_t n_repeated = 0;  // lines that were there already
  // Signs of a part that is missing or was stopped: samples below the last one of their task and
  // length that are not there, and samples with fewer lines than others of theirs.
  int64_t n_missing = 0, n_incomplete = 0;
};

// Every line once: by task and length, then by the sample's number, then by variant, where tasks,
// lengths and variants come in the order in which they appear first. The shards of a run, in their
// order, give the file that the run gives as a whole, if every task and length has a sample in the
// first of them.
// Errors: model (unreadable, a line that is none, no line at all, an incomplete last line; two
// lines of one sample and variant that differ in more than what they were decoded together with),
// usage (lines of different configurations).
Result<MergedResults> merge_results(std::span<const std::string> paths);

}  // namespace restkv
