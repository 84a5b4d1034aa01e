// One line of a result file: a sample under one variant, as JSON. docs/evaluation.md lists the
// fields.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "eval/measure.h"
#include "eval/prompt.h"
#include "eval/variants.h"
#include "restkv/status.h"
#include "tasks/sample.h"

namespace restkv {

// Where a sample belongs. `length` is in tokens, of a benchmark whose tasks have target lengths.
struct SamplePlace {
  std::string benchmark, task;
  std::optional<int64_t> length;
  std::string sample;  // Sample::id
  int64_t number = 0;  // in its source, from 0

  // The same for the same sample of the same benchmark, task and length.
  std::string key() const;
};

// A line that has been read again.
struct StoredLine {
  nlohmann::ordered_json record;
  SamplePlace place;
  std::string variant;
  int64_t n_batch = 0;  // variants of the sample that were written together
};

struct LineInput {
  const SamplePlace& place;
  const Sample& sample;
  const Prompt& prompt;
  const Variant& variant;
  const VariantAnswer& answer;
  const VariantCache& cache;
  const SampleScore& score;
  int64_t n_batch = 0;
  size_t full_bytes = 0;  // an f16 cache of every token
  const nlohmann::ordered_json& config;
};

// Without a newline. The sample's own fields follow ours; one of a name that is taken is left out,
// but a length in words is there as "words".
std::string result_line(const LineInput& input);

// Error: model (no result line).
Result<StoredLine> parse_result_line(std::string_view line);

// Where two configurations differ first, "model.name is "a", "b" before"; empty: nowhere.
std::string first_difference(const nlohmann::ordered_json& now,
                             const nlohmann::ordered_json& before);

}  // namespace restkv
