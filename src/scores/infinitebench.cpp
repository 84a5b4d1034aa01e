// The tasks. A new one is one line.
#include "scores/infinitebench.h"

#include <array>

#include "scores/find_task.h"

namespace restkv {
namespace {

using Task = InfiniteBenchTask;

constexpr std::array kTasks = {
    Task{"passkey", "Retrieve.PassKey", infinitebench_first_number, 15, 6, true},
    Task{"number_string", "Retrieve.Number", infinitebench_first_number, 20, 12, true},
    Task{"kv_retrieval", "Retrieve.KV", infinitebench_kv_retrieval, 80, 50, true},
    Task{"longbook_sum_eng", "En.Sum", infinitebench_summary, 1200, 1200, true},
    Task{"longbook_qa_eng", "En.QA", infinitebench_qa_english, 40, 40, true},
    Task{"longbook_choice_eng", "En.MC", infinitebench_choice, 40, 40, true},
    Task{"longdialogue_qa_eng", "En.Dia", infinitebench_dialogue, 40, 40, true},
    Task{"longbook_qa_chn", "Zh.QA", infinitebench_qa_chinese, 40, 40, true},
    Task{"code_debug", "Code.Debug", infinitebench_code_debug, 5, 5, true},
    Task{"code_run", "Code.Run", infinitebench_code_run, 5, 5, false},
    Task{"math_find", "Math.Find", infinitebench_math_find, 3, 3, true},
    Task{"math_calc", "Math.Calc", infinitebench_math_calc, 30000, 30000, false},
};

}  // namespace

std::span<const InfiniteBenchTask> infinitebench_tasks() {
  return kTasks;
}

Result<const InfiniteBenchTask*> find_infinitebench_task(std::string_view name) {
  return find_task(infinitebench_tasks(), name, "InfiniteBench");
}

}  // namespace restkv
