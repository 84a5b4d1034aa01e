// LongBench (arXiv 2308.14508): its 16 English data sets and their scores. Thread safety: pure
// functions.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "restkv/status.h"
#include "scores/metrics.h"

namespace restkv {

struct LongBenchTask {
  std::string_view name;
  std::string_view category;
  std::string_view metric_name;
  Metric metric;
  int n_new;        // new tokens at most
  bool chat_wrap;   // LongBench's own runner puts the prompt into the model's chat form
  bool first_line;  // only the first line of a prediction counts
  bool has_input;   // the prompt has a place for the record's input
  bool in_e;        // LongBench-E has this set, too
};

std::span<const LongBenchTask> longbench_tasks();
// Error: usage (unknown name).
Result<const LongBenchTask*> find_longbench_task(std::string_view name);
// In the order of the tables.
std::vector<std::string_view> longbench_categories();

struct LongBenchSample {
  std::string prediction;
  std::vector<std::string> answers;
  int64_t length = 0;  // words, for the _e form
};

// One sample, 0..1: the set's metric, the best over the answers.
Score longbench_sample(const LongBenchTask& task, const LongBenchSample& sample,
                       std::span<const std::string> all_classes);
// The same as it is printed: 0..100, two decimals.
Score longbench_percent(const Score& sample);

// Bounds of the _e form's buckets: below 4000 words, below 8000, the rest.
inline constexpr std::array<std::string_view, 3> kLongBenchBuckets = {"0-4k", "4-8k", "8k+"};

struct LongBenchScore {
  Score score;                                     // 0..100, two decimals
  std::array<std::optional<double>, 3> by_length;  // the same by bucket; nothing: no samples
};

// A data set. No samples: ZeroDivisionError, and no buckets.
LongBenchScore longbench_score(const LongBenchTask& task, std::span<const LongBenchSample> samples,
                               std::span<const std::string> all_classes);

struct LongBenchAverages {
  std::vector<std::pair<std::string_view, double>> categories;  // those with a score, in order
  std::optional<double> of_data_sets;                           // as papers on KV eviction count
  std::optional<double> of_categories;                          // as LongBench's leaderboard counts
  std::vector<std::string_view> missing;  // data sets without a score: they count nowhere
};

// REQUIRES: each name is one of longbench_tasks(), at most once.
LongBenchAverages longbench_averages(std::span<const std::pair<std::string, double>> scores);

}  // namespace restkv
