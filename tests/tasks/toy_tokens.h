// A tokenizer for tests that cuts text as real ones do: a word with the space before it in pieces
// of a few letters, digits and punctuation one by one.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tasks/source.h"

namespace restkv {

class ToyTokens {
 public:
  static constexpr size_t kPiece = 5;  // letters

  // What a text is cut into; joined again they are the text.
  static std::vector<std::string> pieces(std::string_view text) {
    std::vector<std::string> pieces;
    bool open = false;  // whether the last piece takes more letters
    for (const char c : text) {
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
      if (letter && open && pieces.back().size() < kPiece + (pieces.back()[0] == ' ' ? 1 : 0)) {
        pieces.back() += c;
      } else {
        pieces.emplace_back(1, c);
      }
      open = letter || c == ' ';
    }
    return pieces;
  }

  // Its functions share a vocabulary that grows.
  static TextTokens tokens() {
    auto vocabulary = std::make_shared<Vocabulary>();
    return {.encode = [vocabulary](std::string_view text,
                                   bool special) -> Result<std::vector<int32_t>> {
              std::vector<int32_t> ids;
              if (special) ids.push_back(0);
              for (const std::string& piece : pieces(text))
                ids.push_back(vocabulary->id(piece));
              return ids;
            },
            .decode =
                [vocabulary](std::span<const int32_t> ids) {
                  std::string text;
                  for (const int32_t id : ids)
                    text += vocabulary->texts[static_cast<size_t>(id)];
                  return text;
                }};
  }

 private:
  struct Vocabulary {
    std::vector<std::string> texts = {""};  // 0 is the special token
    std::map<std::string, int32_t> ids;
    int32_t id(const std::string& piece) {
      const auto [place, is_new] = ids.emplace(piece, static_cast<int32_t>(texts.size()));
      if (is_new) texts.push_back(piece);
      return place->second;
    }
  };
};

}  // namespace restkv
