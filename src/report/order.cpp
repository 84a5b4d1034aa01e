#include "report/order.h"

#include <algorithm>
#include <array>

#include "scores/infinitebench.h"
#include "scores/longbench.h"
#include "scores/ruler.h"

namespace restkv::report {
namespace {

constexpr std::array<std::string_view, 8> kBenchmarks = {
    "longbench", "ruler", "niah", "infinitebench", "choice", "cloze", "fidelity", "humaneval"};

constexpr std::array<std::string_view, 9> kPolicies = {
    "full", "rest-kv", "snapkv", "pyramidkv", "adakv", "headkv", "h2o", "tova", "lacache"};

template <typename Names>
size_t rank(const Names& names, std::string_view name) {
  return static_cast<size_t>(std::ranges::find(names, name) - names.begin());
}

template <typename Tasks>
size_t rank_of_task(const Tasks& tasks, std::string_view name) {
  const auto found =
      std::ranges::find_if(tasks, [name](const auto& task) { return task.name == name; });
  return static_cast<size_t>(found - tasks.begin());
}

}  // namespace

size_t task_rank(std::string_view benchmark, std::string_view task) {
  if (benchmark == "longbench") return rank_of_task(longbench_tasks(), task);
  if (benchmark == "ruler") return rank_of_task(ruler_tasks(), task);
  if (benchmark == "infinitebench") return rank_of_task(infinitebench_tasks(), task);
  return 0;
}

size_t benchmark_rank(std::string_view benchmark) {
  return rank(kBenchmarks, benchmark);
}

size_t policy_rank(std::string_view policy) {
  return rank(kPolicies, policy);
}

SeriesKey series_key(const Series& s) {
  const std::string splits = s.has_splits() ? s.layer_budget + " " + s.head_budget : "";
  return {policy_rank(s.policy), s.policy, splits, s.kernel, s.name, s.granularity, s.type};
}

}  // namespace restkv::report
