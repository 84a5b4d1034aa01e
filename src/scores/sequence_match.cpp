#include "scores/sequence_match.h"

#include <algorithm>
#include <span>
#include <unordered_map>

namespace restkv {
namespace {

constexpr size_t kPopularFrom = 200;  // length of b at which frequent characters are set aside

// a[a_begin, a_end) against b[b_begin, b_end).
struct Range {
  size_t a_begin, a_end, b_begin, b_end;
};

struct Block {
  size_t a, b, size;
};

class BlockFinder {
 public:
  BlockFinder(TextView a, TextView b);
  // The longest block; of equally long ones the first in a, then in b.
  Block longest(const Range& range);

 private:
  Block longest_seeded(const Range& range);
  std::span<const size_t> places(char32_t c, const Range& range) const;

  TextView a_, b_;
  std::unordered_map<char32_t, std::vector<size_t>> places_;  // in b, ascending
  // [b + 1]: length of the common run that ends there, for one character of a and the next one.
  std::vector<size_t> run_, last_run_;
};

BlockFinder::BlockFinder(TextView a, TextView b)
    : a_(a), b_(b), run_(b.size() + 1), last_run_(b.size() + 1) {
  for (size_t j = 0; j < b.size(); ++j)
    places_[b[j]].push_back(j);
  if (b.size() < kPopularFrom) return;
  const size_t limit = b.size() / 100 + 1;
  std::erase_if(places_, [&](const auto& entry) { return entry.second.size() > limit; });
}

std::span<const size_t> BlockFinder::places(char32_t c, const Range& range) const {
  const auto found = places_.find(c);
  if (found == places_.end()) return {};
  const std::vector<size_t>& all = found->second;
  return {std::ranges::lower_bound(all, range.b_begin), std::ranges::lower_bound(all, range.b_end)};
}

Block BlockFinder::longest_seeded(const Range& range) {
  Block best{range.a_begin, range.b_begin, 0};
  std::span<const size_t> last_places;
  for (size_t i = range.a_begin; i < range.a_end; ++i) {
    const std::span<const size_t> now = places(a_[i], range);
    for (const size_t j : now) {
      const size_t n = last_run_[j] + 1;
      run_[j + 1] = n;
      if (n > best.size) best = {i + 1 - n, j + 1 - n, n};
    }
    for (const size_t j : last_places)
      last_run_[j + 1] = 0;
    run_.swap(last_run_);
    last_places = now;
  }
  for (const size_t j : last_places)
    last_run_[j + 1] = 0;
  return best;
}

Block BlockFinder::longest(const Range& range) {
  Block best = longest_seeded(range);
  while (best.a > range.a_begin && best.b > range.b_begin && a_[best.a - 1] == b_[best.b - 1])
    --best.a, --best.b, ++best.size;
  while (best.a + best.size < range.a_end && best.b + best.size < range.b_end &&
         a_[best.a + best.size] == b_[best.b + best.size])
    ++best.size;
  return best;
}

}  // namespace

size_t difflib_matches(TextView a, TextView b) {
  BlockFinder finder(a, b);
  std::vector<Range> open{{0, a.size(), 0, b.size()}};
  size_t n_matches = 0;
  while (!open.empty()) {
    const Range range = open.back();
    open.pop_back();
    const Block block = finder.longest(range);
    if (block.size == 0) continue;
    n_matches += block.size;
    const Range left{range.a_begin, block.a, range.b_begin, block.b};
    const Range right{block.a + block.size, range.a_end, block.b + block.size, range.b_end};
    for (const Range& side : {left, right}) {
      if (side.a_begin < side.a_end && side.b_begin < side.b_end) open.push_back(side);
    }
  }
  return n_matches;
}

size_t common_subsequence(TextView a, TextView b) {
  std::vector<size_t> row(b.size() + 1, 0);  // of a's beginning against every beginning of b
  for (const char32_t c : a) {
    size_t diagonal = 0;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t above = row[j + 1];
      row[j + 1] = c == b[j] ? diagonal + 1 : std::max(above, row[j]);
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace restkv
