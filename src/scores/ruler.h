// RULER (arXiv 2404.06654): its 13 tasks and its two scores. Thread safety: pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "restkv/status.h"
#include "scores/score.h"

namespace restkv {

enum class StringMatch { all, part };  // the share of the answers that is found; any answer found

struct RulerTask {
  std::string_view name;
  std::string_view
      category;  // "retrieval", "multi-hop tracing", "aggregation", "question answering"
  StringMatch match;
  int n_new_ruler;    // new tokens at most, as RULER sets them
  bool in_reference;  // among the 11 tasks that the ReST-KV reference runs
};

inline constexpr int kRulerNewTokensReference = 64;  // for every task of the ReST-KV reference

std::span<const RulerTask> ruler_tasks();
// Error: usage (unknown name).
Result<const RulerTask*> find_ruler_task(std::string_view name);

// RULER's clean-up of a prediction: stripped, control characters U+0000 to U+001F become newlines,
// stripped again. UTF-8 in and out.
std::string ruler_clean(std::string_view prediction);

// One sample, 0..1. `clean` as below. No references: the published code's error.
Score ruler_sample(StringMatch match, std::string_view prediction,
                   std::span<const std::string> references, bool clean);

// Mean over the samples, 0..100, two decimals. `clean`: with ruler_clean(), as RULER does and the
// ReST-KV reference does not. No samples, or one without references, give the published code's
// error. REQUIRES: predictions and references are equally many.
Score ruler_score(StringMatch match, std::span<const std::string> predictions,
                  std::span<const std::vector<std::string>> references, bool clean);

}  // namespace restkv
