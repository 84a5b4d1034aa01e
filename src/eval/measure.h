// What a run finds out about some samples: an answer and its score under every variant. Benchmarks
// that generate text, and measurements that look at the likelihood of a given one, differ in this
// alone.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "eval/answers.h"
#include "eval/prompt.h"
#include "eval/variant_reading.h"
#include "model/model.h"
#include "restkv/status.h"
#include "tasks/sample.h"

namespace restkv {

struct SampleScore {
  std::optional<double> value;  // 0..1; none: the published metric ends with an exception
  nlohmann::ordered_json others = nlohmann::ordered_json::object();  // other forms, by name
};

struct Measured {
  std::vector<VariantAnswer> answers;  // as variants, like the next two
  std::vector<VariantCache> caches;
  std::vector<SampleScore> scores;
  double prefill_ms = 0;  // evictions included
  double decode_ms = 0;   // of all variants; their share, where others were decoded with them
  int64_t n_step = 0;
};

struct MeasureInput {
  const Model& model;
  Compute& compute;
  const std::string& task;
  const Sample& sample;
  VariantRequest reading;
};

struct Measure {
  // As inputs, the samples of one task. Errors: as read_variants() and decode(); model (a sample
  // that lacks what is measured).
  std::function<Result<std::vector<Measured>>(std::span<const MeasureInput> inputs)> run;
  // Whether several inputs are cheaper at once than one by one.
  bool decodes_together = false;
};
Measure one_by_one(std::function<Result<Measured>(const MeasureInput& input)> measure);

// Greedy answers, decoded together, each scored by its text.
using ScoreText = std::function<Result<SampleScore>(const std::string& task, const Sample& sample,
                                                    const std::string& prediction)>;
Measure generate_and_score(ScoreText score);

}  // namespace restkv
