// Needle in a haystack: a sentence at a depth of a text of a length, and a question for it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "restkv/status.h"
#include "tasks/haystack.h"
#include "tasks/prompts.h"
#include "tasks/source.h"

namespace restkv {

inline constexpr int kNiahNewTokens = 30;

struct NiahSamples {
  std::vector<int64_t> lengths = {};  // tokens; empty: niah_reference_lengths()
  std::vector<int> depths = {};       // percent; empty: niah_reference_depths()
  // Samples a cell: the first has the text from its beginning as the reference has it, the others
  // from a sentence that the seed draws.
  int64_t n_repeat = 1;
  uint64_t seed = 42;
  TextTokens tokens = {};
  std::shared_ptr<const Prompts> prompts = {};    // null: built in
  std::shared_ptr<const Haystack> haystack = {};  // null: what a package has brought
};

std::vector<int64_t> niah_reference_lengths();  // 1000, 1200 .. 32000
std::vector<int> niah_reference_depths();       // 0 11 22 33 44 56 67 78 89 100

// Lengths outermost, then depths, then repeats. Fields of a sample: "needle", "expected_answer",
// "length", "depth", "repeat", "n_token" (the whole prompt). Every answer ends before a newline.
// Errors: usage (a depth outside 0..100, a length that the needle does not fit in, one of either
// given twice), model (the prompts, a haystack that holds the answer).
Result<std::unique_ptr<SampleSource>> niah_samples(const NiahSamples& options);

}  // namespace restkv
