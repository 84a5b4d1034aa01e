// Metrics of one prediction against one reference, and the table of their names. A new metric is a
// file and one line in metrics.cpp. Strings are UTF-8; ill-formed bytes count as U+FFFD each.
// Thread safety: pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "restkv/status.h"
#include "scores/score.h"

namespace restkv {

struct MetricInput {
  std::string_view prediction;
  std::string_view reference;
  std::span<const std::string> all_classes = {};  // classification only
};

// 0..1, except niah_rouge_1, which is 0..10. docs/metrics.md states each rule.
Score qa_f1(const MetricInput& input);
Score rouge_l(const MetricInput& input);
// 0 where there are no classes.
Score classification(const MetricInput& input);
// IndexError where the reference has no "Paragraph <number>".
Score retrieval(const MetricInput& input);
Score count(const MetricInput& input);
Score code_sim(const MetricInput& input);
Score code_sim_levenshtein(const MetricInput& input);
// The reference is the needle.
Score niah_rouge_1(const MetricInput& input);
// The reference is the expected answer. ZeroDivisionError where that has no words.
Score niah_heatmap(const MetricInput& input);

using Metric = Score (*)(const MetricInput& input);

std::vector<std::string_view> metric_names();
// Error: usage (unknown name).
Result<Metric> find_metric(std::string_view name);

// The best over the references, never below 0; the first error ends it.
Score best_score(Metric metric, std::string_view prediction,
                 std::span<const std::string> references, std::span<const std::string> all_classes);

}  // namespace restkv
