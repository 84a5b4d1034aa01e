#include "scores/option_answer.h"

#include "scores/label.h"

namespace restkv {

std::optional<Score> option_behind(TextView text, const std::vector<TextView>& phrases,
                                   const std::vector<Label>& options) {
  for (const TextView phrase : phrases) {
    const size_t at = text.find(phrase);
    if (at == TextView::npos) continue;
    const size_t begin = at + phrase.size() + 1;
    if (text.size() < begin) return 0;
    for (const Label& option : options) {
      if (!option.is_string()) return Score::raises("TypeError");
      if (text.substr(begin).starts_with(text_of(option))) return 1;
    }
    return 0;
  }
  return {};
}

}  // namespace restkv
