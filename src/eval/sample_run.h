// One sample of an evaluation under the variants that it still lacks.
#pragma once

#include <memory>
#include <string>

#include "engine/compute.h"
#include "eval/evaluate.h"
#include "eval/result_file.h"

namespace restkv {

// What a sample leaves behind: lines for the result file, and one for the file of times. Both are
// empty where nothing was missing.
struct SampleLines {
  std::string results, times;

  // As one string, for the way between processes.
  std::string pack() const;
  static SampleLines unpack(const std::string& packed);
};

// Thread safety: one thread uses it at a time.
class SampleRunner {
 public:
  // All must outlive it. `done`: what the result file had when the run began.
  SampleRunner(const Model& model, Compute& compute, const Evaluation& evaluation,
               const ResultFile& done, std::function<void(double reading)> on_reading);

  // Sample i of a cell. Errors: as evaluate().
  Result<SampleLines> run(const EvalCell& cell, int64_t i) const;

 private:
  Result<SampleLines> answer(const SamplePlace& place, const Sample& sample,
                             std::span<const Variant> variants) const;
  size_t full_bytes(size_t n_token) const;

  const Model& model_;
  Compute& compute_;
  const Evaluation& evaluation_;
  const ResultFile& done_;
  std::function<void(double)> on_reading_;
  PromptText text_;
};

}  // namespace restkv
