// Texts for the tiny models.
#pragma once

#include <string>

#include "tests/engine/tiny_model.h"

namespace restkv::test {

// Letters, which are tokens of their own in the tiny model's vocabulary.
inline std::string letters(int n, uint32_t seed) {
  std::string text;
  for (const int32_t token : random_tokens(n, seed))
    text += static_cast<char>('a' + token % 26);
  return text;
}

}  // namespace restkv::test
