// Some samples of a task, answered together, under the variants that they still lack.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/compute.h"
#include "eval/evaluate.h"
#include "eval/result_file.h"

namespace restkv {

// What a sample leaves behind: lines for the result file, and one for the file of times. Both are
// empty where nothing was missing.
struct SampleLines {
  std::string results, times;

  // Several as one string, for the way between processes.
  static std::string pack(const std::vector<SampleLines>& samples);
  static std::vector<SampleLines> unpack(const std::string& packed);
};

// Thread safety: one thread uses it at a time.
class SampleRunner {
 public:
  // All must outlive it. `done`: what the result file had when the run began.
  SampleRunner(const Model& model, Compute& compute, const Evaluation& evaluation,
               const ResultFile& done, std::function<void(double reading)> on_reading);

  // Samples of a cell, as numbers. What one of them lacks is measured for all, so that the same is
  // decoded together when a run goes on; only what is missing becomes lines.
  // Errors: as evaluate().
  Result<std::vector<SampleLines>> run(const EvalCell& cell,
                                       std::span<const int64_t> numbers) const;

 private:
  struct Asked;
  Result<Asked> ask(const EvalCell& cell, int64_t number) const;
  Result<std::vector<SampleLines>> answer(const EvalCell& cell, std::span<const Variant> variants,
                                          std::vector<Asked>& samples) const;
  Result<VariantRequest> prepare(std::span<const Variant> variants, size_t i,
                                 std::vector<Asked>& samples) const;
  SampleLines write(const Asked& asked, std::span<const Variant> variants, const Measured& measured,
                    size_t n_together) const;
  size_t full_bytes(size_t n_token) const;

  const Model& model_;
  Compute& compute_;
  const Evaluation& evaluation_;
  const ResultFile& done_;
  std::function<void(double)> on_reading_;
  PromptText text_;
};

}  // namespace restkv
