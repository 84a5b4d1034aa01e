// Entries that always stay, whatever the policy says.
#include <algorithm>

#include "restkv/options.h"

namespace restkv {

int64_t Protection::count(int64_t n_token) const {
  std::vector<Span> spans = pins;
  spans.push_back({0, n_sink});
  std::ranges::sort(spans, {}, &Span::begin);
  int64_t n = 0;
  int64_t counted = 0;  // every token below it is dealt with
  for (const Span& span : spans) {
    const int64_t begin = std::max(span.begin, counted);
    const int64_t end = std::min(span.end, n_token);
    if (end <= begin) continue;
    n += end - begin;
    counted = end;
  }
  return n;
}

bool Protection::holds(int64_t position) const {
  if (0 <= position && position < n_sink) return true;
  return std::ranges::any_of(
      pins, [&](const Span& pin) { return pin.begin <= position && position < pin.end; });
}

}  // namespace restkv
