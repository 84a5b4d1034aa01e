// From results to a document. Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/bootstrap.h"
#include "report/document.h"
#include "report/results.h"

namespace restkv::report {

struct ReportOptions {
  std::string title = "restkv evaluation";
  std::vector<std::string> against = {"snapkv"};  // policies to compare with, beside full
  Resampling resampling;
  size_t n_map = 24;  // needle maps in a section at most
};

// What the files held beside results: how many lines were skipped as malformed.
Document make_document(const Results& results, size_t n_skipped, const ReportOptions& options);

}  // namespace restkv::report
