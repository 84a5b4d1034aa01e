// A tokenizer whose tokens are bytes.
#pragma once

#include "tasks/source.h"

namespace restkv::test {

inline TextTokens byte_tokens() {
  return {
      .encode = [](std::string_view text, bool) -> Result<std::vector<int32_t>> {
        return std::vector<int32_t>(text.begin(), text.end());
      },
      .decode = [](std::span<const int32_t> ids) { return std::string(ids.begin(), ids.end()); }};
}

}  // namespace restkv::test
