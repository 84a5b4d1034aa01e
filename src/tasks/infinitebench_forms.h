// InfiniteBench's synthetic tasks as forms, at any length.
#pragma once

#include <string>

#include "tasks/form.h"
#include "tasks/prompts.h"

namespace restkv {

struct InfiniteBenchInputs {
  std::string task = {};  // one that infinitebench_can_generate()
  PromptTemplate text = {};
  const Prompts* prompts = nullptr;  // read before the function returns
  int64_t length = 0;                // tokens
  int max_new = 0;                   // new tokens at most
  TextTokens tokens = {};
};

MakeForm infinitebench_forms(const InfiniteBenchInputs& inputs);

// One each, of the same inputs.
MakeForm hidden_number_forms(const InfiniteBenchInputs& inputs);  // passkey, number_string
MakeForm kv_retrieval_forms(const InfiniteBenchInputs& inputs);
MakeForm math_find_forms(const InfiniteBenchInputs& inputs);
MakeForm math_calc_forms(const InfiniteBenchInputs& inputs);
MakeForm code_run_forms(const InfiniteBenchInputs& inputs);

// Where sample `index` has what is asked for, of n places: spread evenly over them however many
// samples there are (multiples of the golden ratio, whole numbers only). REQUIRES: n > 0.
int64_t spread_place(int64_t index, int64_t n);

// The filled template as a draft's prompt; "label" is the answer.
Draft infinitebench_draft(const InfiniteBenchInputs& inputs, const nlohmann::json& record);

}  // namespace restkv
