#include "tasks/infinitebench_prompt.h"

#include <optional>

#include "scores/infinitebench.h"
#include "scores/record.h"
#include "tasks/form.h"
#include "tasks/prompts.h"

namespace restkv {
namespace {

using nlohmann::json;

bool is_choice(std::string_view task) {
  return task == "longbook_choice_eng" || task == "code_debug";
}

size_t skip_digits(std::string_view text, size_t at) {
  while (at < text.size() && text[at] >= '0' && text[at] <= '9')
    ++at;
  return at;
}

// The first func_N(x) of the text: N digits, x digits behind a minus or none.
std::optional<std::string_view> find_call(std::string_view text) {
  constexpr std::string_view kName = "func_";
  for (size_t at = text.find(kName); at != std::string_view::npos; at = text.find(kName, at + 1)) {
    const size_t number = at + kName.size();
    const size_t open = skip_digits(text, number);
    if (open == number || open == text.size() || text[open] != '(') continue;
    const size_t argument = open + 1 + (open + 1 < text.size() && text[open + 1] == '-' ? 1 : 0);
    const size_t close = skip_digits(text, argument);
    if (close == argument || close == text.size() || text[close] != ')') continue;
    return text.substr(at, close + 1 - at);
  }
  return {};
}

// The longest "The ... of" of the first line that has one, without " of", in lower case.
std::optional<std::string> find_wanted(std::string_view text) {
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    const size_t from = line.find("The ");
    const size_t to = line.rfind(" of");
    // Python's "The .+ of" wants a character between the two spaces.
    if (from == std::string_view::npos || to == std::string_view::npos || to < from + 5) continue;
    return ascii_lower(line.substr(from, to - from));
  }
  return {};
}

Result<std::string> code_run_prompt(std::string_view text, std::string_view context,
                                    std::string_view input) {
  const std::optional<std::string_view> call = find_call(input);
  if (!call.has_value()) return Status::model("field input has no call such as func_1(-7)");
  const std::string_view function = call->substr(0, call->find('('));
  return fill_places(text, {{"context", context}, {"func", function}, {"func_call", *call}});
}

Result<std::string> math_find_prompt(std::string_view text, std::string_view context,
                                     std::string_view input) {
  const std::optional<std::string> wanted = find_wanted(input);
  if (!wanted.has_value()) return Status::model("field input has no \"The ... of\"");
  const std::string prefix = "What is " + *wanted + " in the following list?";
  return fill_places(text, {{"context", context}, {"input", input}, {"prefix", prefix}});
}

Result<std::string> choice_prompt(std::string_view text, std::string_view context,
                                  std::string_view input, const json& record) {
  constexpr size_t kOptions = 4;
  RESTKV_ASSIGN_OR_RETURN(const auto options, get_texts(record, {"options"}));
  if (options.size() != kOptions) {
    return Status::model("field options has " + std::to_string(options.size()) +
                         " entries, it must have 4");
  }
  return fill_places(text, {{"context", context},
                            {"question", input},
                            {"OPTION_A", options[0]},
                            {"OPTION_B", options[1]},
                            {"OPTION_C", options[2]},
                            {"OPTION_D", options[3]}});
}

}  // namespace

Result<std::string> infinitebench_prompt(std::string_view task, std::string_view text,
                                         const json& record) {
  RESTKV_ASSIGN_OR_RETURN(const std::string context, get_text(record, {"content", "context"}));
  std::string input;
  if (find_field(record, {"input"}) != nullptr) {
    RESTKV_ASSIGN_OR_RETURN(input, get_text(record, {"input"}));
  }
  if (task == "code_run") return code_run_prompt(text, context, input);
  if (task == "math_find") return math_find_prompt(text, context, input);
  if (is_choice(task)) return choice_prompt(text, context, input, record);
  return fill_places(text, {{"context", context}, {"input", input}, {"question", input}});
}

Result<json> infinitebench_label(std::string_view task, const json& record) {
  RESTKV_ASSIGN_OR_RETURN(const json* const answer, get_field(record, {"answer"}));
  if (!is_choice(task)) {
    if (answer->is_null() || (answer->is_array() && answer->empty()))
      return Status::model("field answer is empty");
    return *answer;
  }
  RESTKV_ASSIGN_OR_RETURN(const json* const options, get_field(record, {"options"}));
  const std::optional<Label> label = infinitebench_choice_label(*answer, *options);
  if (!label.has_value()) return Status::model("field answer is none of the options");
  return *label;
}

}  // namespace restkv
