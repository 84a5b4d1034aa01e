#include "scores/longbench.h"

#include <algorithm>

#include "scores/rounding.h"

namespace restkv {
namespace {

std::string_view first_line(std::string_view prediction) {
  prediction.remove_prefix(std::min(prediction.find_first_not_of('\n'), prediction.size()));
  return prediction.substr(0, prediction.find('\n'));
}

size_t bucket(int64_t length) {
  return length < 4000 ? 0 : length < 8000 ? 1 : 2;
}

}  // namespace

Score longbench_sample(const LongBenchTask& task, const LongBenchSample& sample,
                       std::span<const std::string> all_classes) {
  const std::string_view counts =
      task.first_line ? first_line(sample.prediction) : std::string_view(sample.prediction);
  return best_score(task.metric, counts, sample.answers, all_classes);
}

Score longbench_percent(const Score& sample) {
  return sample.ok() ? Score(round2(100 * sample.value)) : sample;
}

LongBenchScore longbench_score(const LongBenchTask& task, std::span<const LongBenchSample> samples,
                               std::span<const std::string> all_classes) {
  if (samples.empty()) return {Score::raises("ZeroDivisionError"), {}};
  double total = 0;
  std::array<std::vector<double>, 3> buckets;
  for (const LongBenchSample& sample : samples) {
    const Score score = longbench_sample(task, sample, all_classes);
    if (!score.ok()) return {score, {}};
    total += score.value;
    buckets[bucket(sample.length)].push_back(score.value);
  }
  LongBenchScore result{round2(100 * total / static_cast<double>(samples.size())), {}};
  for (size_t b = 0; b < buckets.size(); ++b) {
    if (buckets[b].empty()) continue;
    const double average = numpy_sum(buckets[b]) / static_cast<double>(buckets[b].size());
    result.by_length[b] = numpy_round2(100 * average);
  }
  return result;
}

LongBenchAverages longbench_averages(std::span<const std::pair<std::string, double>> scores) {
  LongBenchAverages averages;
  std::vector<double> all, category_means;
  for (const std::string_view category : longbench_categories()) {
    std::vector<double> members;
    for (const LongBenchTask& task : longbench_tasks()) {
      if (task.category != category) continue;
      const auto found =
          std::ranges::find(scores, task.name, &std::pair<std::string, double>::first);
      found == scores.end() ? averages.missing.push_back(task.name)
                            : members.push_back(found->second);
    }
    if (members.empty()) continue;
    averages.categories.emplace_back(category, mean(members));
    category_means.push_back(averages.categories.back().second);
    all.insert(all.end(), members.begin(), members.end());
  }
  if (all.empty()) return averages;
  averages.of_data_sets = mean(all);
  averages.of_categories = mean(category_means);
  return averages;
}

}  // namespace restkv
