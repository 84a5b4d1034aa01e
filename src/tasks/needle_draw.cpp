#include "tasks/needle_draw.h"

#include <algorithm>

namespace restkv {
namespace {

constexpr int64_t kFirstNumber = 1000000, kLastNumber = 9999999;
constexpr int kCandidates = 64;  // pairs that are tried in the place of one

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

// Whether `gain` is nearer than `best` to what is wanted: at most that much more, or at least that
// much less.
bool is_nearer(int64_t gain, int64_t best, int64_t wanted) {
  if (wanted > 0) return gain > best && gain <= wanted;
  return best > wanted ? gain < best : gain > best && gain <= wanted;
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

int64_t KeyValueRow::stretch_one(KeyValue* pair, int64_t n_token, const TextTokens& tokens,
                                 const Line& line) {
  const int64_t n_before = count_tokens(tokens, line(*pair));
  int64_t gained = 0;
  for (int i = 0; i < kCandidates; ++i) {
    KeyValue candidate = next();
    const int64_t gain = count_tokens(tokens, line(candidate)) - n_before;
    if (!is_nearer(gain, gained, n_token)) continue;
    gained = gain;
    *pair = std::move(candidate);
  }
  return gained;
}

bool KeyValueRow::stretch(int64_t n, int64_t n_token, const TextTokens& tokens, const Line& line) {
  int64_t left = n_token;
  for (int64_t i = 0; i < n && (n_token > 0 ? left > 0 : left < 0); ++i) {
    at(i);
    left -= stretch_one(&pairs_[static_cast<size_t>(i)], left, tokens, line);
  }
  return left != n_token;
}

}  // namespace restkv
