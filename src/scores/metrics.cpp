#include "scores/metrics.h"

#include <algorithm>
#include <array>

namespace restkv {
namespace {

struct Entry {
  std::string_view name;
  Metric metric;
};

constexpr std::array kMetrics = {
    Entry{"qa_f1", qa_f1},
    Entry{"rouge_l", rouge_l},
    Entry{"classification", classification},
    Entry{"retrieval", retrieval},
    Entry{"count", count},
    Entry{"code_sim", code_sim},
    Entry{"code_sim_levenshtein", code_sim_levenshtein},
    Entry{"niah_rouge_1", niah_rouge_1},
    Entry{"niah_heatmap", niah_heatmap},
};

}  // namespace

std::vector<std::string_view> metric_names() {
  std::vector<std::string_view> names;
  for (const Entry& entry : kMetrics)
    names.push_back(entry.name);
  return names;
}

Result<Metric> find_metric(std::string_view name) {
  std::string list;
  for (const Entry& entry : kMetrics) {
    if (entry.name == name) return entry.metric;
    list += (list.empty() ? "" : ", ") + std::string(entry.name);
  }
  return Status::usage("the metric is \"" + std::string(name) + "\", allowed: " + list);
}

Score best_score(Metric metric, std::string_view prediction,
                 std::span<const std::string> references,
                 std::span<const std::string> all_classes) {
  double best = 0;
  for (const std::string& reference : references) {
    const Score score = metric({prediction, reference, all_classes});
    if (!score.ok()) return score;
    best = std::max(best, score.value);
  }
  return best;
}

}  // namespace restkv
