#include "scores/infinitebench.h"

namespace restkv {

std::optional<Label> infinitebench_choice_label(const nlohmann::json& answer,
                                                const nlohmann::json& options) {
  constexpr std::string_view kLetters = "ABCD";
  if (answer.is_array() && answer.size() == 2) return answer;
  const nlohmann::json& text = answer.is_array() && answer.size() == 1 ? answer[0] : answer;
  if (!text.is_string() || !options.is_array()) return {};
  for (size_t i = 0; i < options.size() && i < kLetters.size(); ++i) {
    if (options[i] == text) return Label{text, std::string(1, kLetters[i])};
  }
  return {};
}

}  // namespace restkv
