// The prompts that are built in, worded for this project: a benchmark's own come from a file.
#pragma once

#include <span>
#include <string_view>
#include <utility>

#include "tasks/prompts.h"

namespace restkv {

struct BuiltInTemplate {
  std::string_view name, prompt, answer_prefix;
};

std::span<const BuiltInTemplate> built_in_templates(PromptSet set);
std::span<const std::pair<std::string_view, std::string_view>> built_in_texts(PromptSet set);

}  // namespace restkv
