#include "scores/token_f1.h"

#include <unordered_map>

namespace restkv {
namespace {

template <typename Token, typename Tokens>
double multiset_f1(const Tokens& prediction, const Tokens& reference) {
  std::unordered_map<Token, int64_t> unmatched;
  for (const Token& token : reference)
    ++unmatched[token];
  int64_t n_shared = 0;
  for (const Token& token : prediction) {
    const auto found = unmatched.find(token);
    if (found == unmatched.end() || found->second == 0) continue;
    --found->second;
    ++n_shared;
  }
  if (n_shared == 0) return 0;
  const double precision = static_cast<double>(n_shared) / static_cast<double>(prediction.size());
  const double recall = static_cast<double>(n_shared) / static_cast<double>(reference.size());
  return (2 * precision * recall) / (precision + recall);
}

}  // namespace

double token_f1(const std::vector<TextView>& prediction, const std::vector<TextView>& reference) {
  return multiset_f1<TextView>(prediction, reference);
}

double character_f1(TextView prediction, TextView reference) {
  return multiset_f1<char32_t>(prediction, reference);
}

}  // namespace restkv
