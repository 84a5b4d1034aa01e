// A generated sample before its size is settled: all that is random is drawn, how many units
// (words, lines, documents ...) it has is not.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "restkv/status.h"
#include "tasks/source.h"

namespace restkv {

// How often a text must occur in a prompt and its answer prefix, whatever the case.
struct Occurrence {
  std::string text;
  int64_t n = 1;
};

struct Draft {
  std::string prompt, answer_prefix;
  nlohmann::ordered_json fields = nlohmann::ordered_json::object();
  std::vector<Occurrence> must_occur = {};
  int n_new = -1;  // -1: the task's
};

class Form {
 public:
  virtual ~Form() = default;
  // The fewest and the most units it can have.
  virtual int64_t min_units() const = 0;
  virtual int64_t max_units() const = 0;
  // Always the same for the same number. Longer with every unit, or nearly.
  virtual Draft build(int64_t n_unit) = 0;
  // Draws again so that build(n_unit) has up to `n_missing` tokens more; false where it cannot.
  // What it estimates may be wrong: the caller counts.
  virtual bool widen(int64_t n_unit, int64_t n_missing) {
    (void)n_unit, (void)n_missing;
    return false;
  }
};

// Draws sample `index` from `seed`, which differs between samples. Null: what was drawn makes no
// sample.
using MakeForm = std::function<std::unique_ptr<Form>(int64_t index, uint64_t seed)>;

struct FitOptions {
  int64_t limit = 0;  // tokens of the prompt, the answer prefix and the new tokens
  int n_new = 0;      // of these, where the draft does not say
};

struct Fitted {
  Draft draft;
  int64_t n_token = 0;  // of the prompt and the answer prefix, special tokens among them
};

// The draft with the most units that fit, to within a four-hundredth of the limit, widened where
// the last unit leaves more than a hundredth free. Errors: capacity (the fewest units are too many,
// or the most leave more than a fiftieth free), runtime (the tokenizer).
Result<Fitted> fit(Form& form, const TextTokens& tokens, const FitOptions& options);

// Whether every text occurs as often as it must.
bool occurs_as_often(const Draft& draft);

// Non-overlapping occurrences. REQUIRES: part is not empty.
int64_t count_occurrences(std::string_view text, std::string_view part);
// A to Z in lower case; all that is compared is ASCII.
std::string ascii_lower(std::string_view text);

}  // namespace restkv
