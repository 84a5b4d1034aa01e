#include "tasks/needle_draw.h"

#include <algorithm>

namespace restkv {
namespace {

constexpr int64_t kFirstNumber = 1000000, kLastNumber = 9999999;
constexpr int kCandidates = 32;  // pairs that are tried in the place of one

std::string draw_one(NeedleKind kind, Draw& draw, const WordLists* lists) {
  if (kind == NeedleKind::number) return std::to_string(draw.between(kFirstNumber, kLastNumber));
  if (kind == NeedleKind::uuid) return draw.uuid();
  const std::string& adjective = draw.pick(lists->adjectives);
  return adjective + "-" + draw.pick(lists->nouns);
}

// 0 where the tokenizer fails: the pair is not taken then.
int64_t count_tokens(const TextTokens& tokens, const std::string& text) {
  const Result<std::vector<int32_t>> ids = tokens.encode(text, false);
  return ids.ok() ? static_cast<int64_t>(ids->size()) : 0;
}

}  // namespace

std::string NeedleDraw::next(NeedleKind kind) {
  std::string drawn = draw_one(kind, draw_, lists_);
  while (!seen_.insert(drawn).second)
    drawn = draw_one(kind, draw_, lists_);
  return drawn;
}

const KeyValue& KeyValueRow::at(int64_t i) {
  while (static_cast<int64_t>(pairs_.size()) <= i)
    pairs_.push_back(next());
  return pairs_[static_cast<size_t>(i)];
}

int64_t KeyValueRow::widen_one(KeyValue* pair, int64_t n_missing, const TextTokens& tokens,
                               const Line& line) {
  const int64_t n_before = count_tokens(tokens, line(*pair));
  int64_t gained = 0;
  for (int i = 0; i < kCandidates; ++i) {
    KeyValue candidate = next();
    const int64_t gain = count_tokens(tokens, line(candidate)) - n_before;
    if (gain <= gained || gain > n_missing) continue;
    gained = gain;
    *pair = std::move(candidate);
  }
  return gained;
}

bool KeyValueRow::widen(int64_t n, int64_t n_missing, const TextTokens& tokens, const Line& line) {
  int64_t gained = 0;
  for (int64_t i = 0; i < n && gained < n_missing; ++i) {
    at(i);
    gained += widen_one(&pairs_[static_cast<size_t>(i)], n_missing - gained, tokens, line);
  }
  return gained > 0;
}

}  // namespace restkv
