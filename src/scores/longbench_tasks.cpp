// The data sets. A new one is one line.
#include <algorithm>

#include "scores/find_task.h"
#include "scores/longbench.h"

namespace restkv {
namespace {

constexpr std::string_view kSingle = "single-document QA", kMulti = "multi-document QA",
                           kSummary = "summarization", kFewShot = "few-shot",
                           kSynthetic = "synthetic", kCode = "code";

// name, category, metric, new tokens, chat wrap, first line, input, in LongBench-E
constexpr std::array kTasks = {
    LongBenchTask{"narrativeqa", kSingle, "qa_f1", qa_f1, 128, true, false, true, false},
    LongBenchTask{"qasper", kSingle, "qa_f1", qa_f1, 128, true, false, true, true},
    LongBenchTask{"multifieldqa_en", kSingle, "qa_f1", qa_f1, 64, true, false, true, true},
    LongBenchTask{"hotpotqa", kMulti, "qa_f1", qa_f1, 32, true, false, true, true},
    LongBenchTask{"2wikimqa", kMulti, "qa_f1", qa_f1, 32, true, false, true, true},
    LongBenchTask{"musique", kMulti, "qa_f1", qa_f1, 32, true, false, true, false},
    LongBenchTask{"gov_report", kSummary, "rouge_l", rouge_l, 512, true, false, false, true},
    LongBenchTask{"qmsum", kSummary, "rouge_l", rouge_l, 512, true, false, true, false},
    LongBenchTask{"multi_news", kSummary, "rouge_l", rouge_l, 512, true, false, false, true},
    LongBenchTask{"trec", kFewShot, "classification", classification, 64, false, true, true, true},
    LongBenchTask{"triviaqa", kFewShot, "qa_f1", qa_f1, 32, false, true, true, true},
    LongBenchTask{"samsum", kFewShot, "rouge_l", rouge_l, 128, false, true, true, true},
    LongBenchTask{"passage_count", kSynthetic, "count", count, 32, true, false, false, true},
    LongBenchTask{"passage_retrieval_en", kSynthetic, "retrieval", retrieval, 32, true, false, true,
                  true},
    LongBenchTask{"lcc", kCode, "code_sim", code_sim, 64, false, false, false, true},
    LongBenchTask{"repobench-p", kCode, "code_sim", code_sim, 64, false, false, true, true},
};

}  // namespace

std::span<const LongBenchTask> longbench_tasks() {
  return kTasks;
}

Result<const LongBenchTask*> find_longbench_task(std::string_view name) {
  return find_task(longbench_tasks(), name, "LongBench");
}

std::vector<std::string_view> longbench_categories() {
  std::vector<std::string_view> names;
  for (const LongBenchTask& task : kTasks) {
    if (std::ranges::find(names, task.category) == names.end()) names.push_back(task.category);
  }
  return names;
}

}  // namespace restkv
