#include <algorithm>

#include "core/check.h"
#include "policy/budget/parts.h"

namespace restkv {
namespace {

// Whether the sum of min(share, level) is at most limit; no sum exceeds limit + one share.
bool fits(const std::vector<int64_t>& shares, int64_t level, int64_t limit) {
  for (int64_t share : shares) {
    limit -= std::min(share, level);
    if (limit < 0) return false;
  }
  return true;
}

}  // namespace

void trim_largest(std::vector<int64_t>* shares, int64_t limit) {
  RESTKV_CHECK(!shares->empty() && limit >= 0);
  const int64_t largest = *std::ranges::max_element(*shares);
  if (fits(*shares, largest, limit)) return;
  // Lowering one by one levels the largest: down to `level`, with a few that stay one above it.
  int64_t level = 0;
  for (int64_t above = largest; above - level > 1;) {
    const int64_t middle = level + (above - level) / 2;
    (fits(*shares, middle, limit) ? level : above) = middle;
  }
  int64_t spare = limit;
  for (int64_t share : *shares)
    spare -= std::min(share, level);
  for (size_t i = shares->size(); i-- > 0;) {
    int64_t& share = (*shares)[i];
    if (share <= level) continue;
    share = spare > 0 ? level + 1 : level;
    --spare;
  }
}

}  // namespace restkv
