// Where the samples of one task come from: a file of the benchmark, or a generator.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "restkv/status.h"
#include "tasks/sample.h"

namespace restkv {

// Thread safety: one thread uses a source at a time.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  virtual int64_t size() const = 0;
  // Sample i of size(), the same however often and in whatever order it is asked for. Errors: model
  // (a line of a file), capacity (a length that holds no sample), runtime (the tokenizer).
  virtual Result<Sample> sample(int64_t i) const = 0;
  // Malformed lines that were left out of a file because the caller asked for it.
  virtual int64_t n_skipped() const { return 0; }
};

// A model's tokenizer, as generators need it. Thread safety: the functions'.
struct TextTokens {
  // special: with the tokens that the model wants around a text.
  std::function<Result<std::vector<int32_t>>(std::string_view text, bool special)> encode = {};
  // Special tokens leave no text.
  std::function<std::string(std::span<const int32_t> tokens)> decode = {};
};

}  // namespace restkv
