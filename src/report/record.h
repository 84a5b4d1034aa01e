// One result line of `restkv eval`: what a report needs of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "report/measure.h"
#include "restkv/status.h"

namespace restkv::report {

// Variants that differ in their budget alone.
struct Series {
  std::string name;  // the variant's, without its budget
  std::string policy, layer_budget, head_budget, granularity, type;
  int64_t kernel = 0;  // 0: the line names none

  bool operator==(const Series&) const = default;
  bool has_splits() const { return layer_budget != "uniform" || head_budget != "uniform"; }
};

struct Record {
  std::string benchmark, task, sample;
  std::optional<int64_t> length;  // target tokens; never of LongBench, whose lengths are words
  Series series;
  int64_t budget = 0;  // entries; 0: no budget, the full cache
  // What the measure says; the score is 0..1. Nothing: the published scorer has none.
  std::optional<double> score;
  std::optional<double> depth;  // of a needle, percent
  std::optional<double> kv_bytes, full_bytes;
  int64_t over_budget = 0;  // entries that the method's own arithmetic kept above the budget
  bool truncated = false;   // the prompt was cut
  nlohmann::json config;    // an object: what the run was started with
};

// Whether a line carries a measure, as a number or wrongly; the score is asked of every line.
bool has_measure(const nlohmann::json& line, const Measure& measure);

// Error: model (a field is missing, or of another type or range), which names the field.
Result<Record> read_record(const nlohmann::json& line, const Measure& measure);

}  // namespace restkv::report
