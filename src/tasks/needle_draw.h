// Keys and values that no sample has twice.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

#include "tasks/draw.h"
#include "tasks/source.h"
#include "tasks/word_lists.h"

namespace restkv {

enum class NeedleKind { words, number, uuid };  // adjective-noun; 7 digits; 8-4-4-4-12 hexadecimal

class NeedleDraw {
 public:
  // `lists` must outlive it, and is only read for words.
  NeedleDraw(uint64_t seed, const WordLists* lists) : draw_(seed), lists_(lists) {}

  // Never one that it has yielded before. REQUIRES: fewer than half of all that there are were
  // drawn.
  std::string next(NeedleKind kind);

 private:
  Draw draw_;
  const WordLists* lists_;
  std::unordered_set<std::string> seen_;
};

struct KeyValue {
  std::string key, value;
};

// Pairs in a row, drawn as they are asked for.
class KeyValueRow {
 public:
  // How a pair stands in the prompt, to count its tokens.
  using Line = std::function<std::string(const KeyValue& pair)>;

  KeyValueRow(NeedleDraw draw, NeedleKind key, NeedleKind value)
      : draw_(std::move(draw)), key_(key), value_(value) {}

  const KeyValue& at(int64_t i);
  // Draws pairs of the first n again until they have up to n_token tokens more, or at least so many
  // fewer where it is negative. Yields whether any has changed.
  bool stretch(int64_t n, int64_t n_token, const TextTokens& tokens, const Line& line);

 private:
  KeyValue next() {
    std::string key = draw_.next(key_);
    return {std::move(key), draw_.next(value_)};
  }
  int64_t stretch_one(KeyValue* pair, int64_t n_token, const TextTokens& tokens, const Line& line);

  NeedleDraw draw_;
  NeedleKind key_, value_;
  std::vector<KeyValue> pairs_;
};

}  // namespace restkv
