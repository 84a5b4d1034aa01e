// InfiniteBench (arXiv 2402.13718): its 12 tasks, scored as its own repository and as the ReST-KV
// reference does. Thread safety: pure functions.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "restkv/status.h"
#include "scores/score.h"

namespace restkv {

// The right answer as the result file has it: its JSON type decides what the published code does.
using Label = nlohmann::json;

enum class InfiniteBenchForm { official, reference };

struct InfiniteBenchInput {
  std::string_view prediction;
  const Label& label;
  InfiniteBenchForm form;
};

using InfiniteBenchMetric = Score (*)(const InfiniteBenchInput& input);

// 0..1, or the exception with which the published code ends.
Score infinitebench_first_number(const InfiniteBenchInput& input);  // passkey, number_string
Score infinitebench_kv_retrieval(const InfiniteBenchInput& input);
Score infinitebench_code_run(const InfiniteBenchInput& input);
Score infinitebench_code_debug(const InfiniteBenchInput& input);
Score infinitebench_choice(const InfiniteBenchInput& input);
Score infinitebench_dialogue(const InfiniteBenchInput& input);
Score infinitebench_summary(const InfiniteBenchInput& input);
Score infinitebench_qa_english(const InfiniteBenchInput& input);
Score infinitebench_qa_chinese(const InfiniteBenchInput& input);
Score infinitebench_math_find(const InfiniteBenchInput& input);
Score infinitebench_math_calc(const InfiniteBenchInput& input);

struct InfiniteBenchTask {
  std::string_view name;        // of the file
  std::string_view paper_name;  // "Retrieve.PassKey"
  InfiniteBenchMetric metric;
  int n_new_reference, n_new_official;  // new tokens at most
  bool in_paper;  // among the 10 that the ReST-KV paper counts (an inference: docs/metrics.md)
};

std::span<const InfiniteBenchTask> infinitebench_tasks();
// Error: usage (unknown name).
Result<const InfiniteBenchTask*> find_infinitebench_task(std::string_view name);

// The label of a multiple-choice record, [option text, letter], from its own fields `answer` (a
// string, or a list of one or two) and `options`. Nothing where the answer is none of the options.
std::optional<Label> infinitebench_choice_label(const nlohmann::json& answer,
                                                const nlohmann::json& options);

}  // namespace restkv
