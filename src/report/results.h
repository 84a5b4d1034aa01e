// The results of a report, sorted so that the order of files and lines does not matter.
//
// A section holds what may be compared and averaged: one measure of one benchmark, run with one
// configuration. A stratum is a task at a length; the samples of a stratum are what is resampled.
// Thread safety: plain values; one thread fills a ResultLoader.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "report/record.h"
#include "restkv/status.h"

namespace restkv::report {

struct Variant {
  size_t series = 0;  // into Section::series
  int64_t budget = 0;
};

// A mean that grows line by line. Nothing where no line had a value.
struct RunningMean {
  double sum = 0;
  size_t n = 0;
  void add(double x) { sum += x, ++n; }
  std::optional<double> value() const {
    return n == 0 ? std::nullopt : std::optional(sum / static_cast<double>(n));
  }
};

// A variant's results in a stratum.
struct Cell {
  std::vector<double> scores;  // [n_sample] of the measure; NaN: no score
  size_t n_line = 0, n_without_score = 0, n_truncated = 0, n_over_budget = 0;
  RunningMean kv_bytes, full_bytes;
};

struct Stratum {
  std::string task;
  std::optional<int64_t> length;
  std::vector<std::string> samples;           // their ids, ascending
  std::vector<std::optional<double>> depths;  // [n_sample]
  std::vector<Cell> cells;                    // [n_variant]; one without lines: it did not run
};

struct Section {
  std::string benchmark;
  const Measure* measure = nullptr;  // one of measures_of(benchmark)
  nlohmann::json config;
  std::vector<Series> series;     // full first; names are unique
  std::vector<Variant> variants;  // by series, then budget
  std::vector<Stratum> strata;    // by length, then in the benchmark's order of tasks
};

struct Results {
  std::vector<Section> sections;
  size_t n_line = 0;
  size_t n_repeated = 0;  // lines that say what another one said
};

// Takes lines and sorts them.
class ResultLoader {
 public:
  ResultLoader();
  ~ResultLoader();
  // Errors: model (as read_record(), or a sample of a variant that has another score already).
  Status take(const nlohmann::json& line);
  // To be called once, at the end.
  Results finish();

 private:
  struct Drafts;
  std::unique_ptr<Drafts> drafts_;
};

}  // namespace restkv::report
