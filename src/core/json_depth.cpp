#include "core/json_depth.h"

#include <algorithm>
#include <string>

namespace restkv {

Status check_json_depth(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\') ++i;  // whatever is escaped ends no string
    if (c == '"') in_string = !in_string;
    if (in_string) continue;
    if (c == '[' || c == '{') deepest = std::max(deepest, ++depth);
    if (c == ']' || c == '}') --depth;
  }
  if (deepest <= kMaxJsonDepth) return {};
  return Status::model("the JSON is nested " + std::to_string(deepest) +
                       " deep, allowed: " + std::to_string(kMaxJsonDepth));
}

}  // namespace restkv
