// Samples that a generator makes, each fitted to a length.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tasks/form.h"
#include "tasks/source.h"

namespace restkv {

struct GeneratedOptions {
  std::string task = {};  // tells the draws of tasks with the same seed apart
  int64_t n = 0;
  uint64_t seed = 0;
  FitOptions fit = {};
  TextTokens tokens = {};
  MakeForm make = {};
};

// A sample that cannot be made, or whose texts do not occur as often as they must, is drawn again.
// Its draws do not depend on the length.
std::unique_ptr<SampleSource> generated_source(GeneratedOptions options);

// What every generator's options have in common. Error: usage (no samples, a length that leaves no
// prompt, no tokenizer).
struct GeneratedLimits {
  int64_t n = 0, length = 0, n_template = 0, n_new = 0;
};
Status check_generated(const GeneratedLimits& limits, const TextTokens& tokens);

}  // namespace restkv
