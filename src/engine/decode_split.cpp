#include "engine/decode_split.h"

#include <algorithm>
#include <numeric>

namespace restkv {

DecodeSplit split_entries(std::span<const int64_t> counts, int32_t n_unit, int64_t align) {
  DecodeSplit split;
  const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  int32_t head = 0;
  int64_t entry = 0, before = 0;  // of the head; entries of the heads before it
  const auto n_head = static_cast<int32_t>(counts.size());
  for (int32_t u = 0; u < n_unit; ++u) {
    split.first_part.push_back(static_cast<int32_t>(split.parts.size()));
    const int64_t end = total * (u + 1) / n_unit;
    while (head < n_head) {
      const int64_t n = counts[head];
      const int64_t wanted = (end - before + align / 2) / align * align;
      const int64_t last = end - before >= n ? n : std::min(n, wanted);
      if (last > entry) split.parts.push_back({head, entry, last, 0, 1});
      entry = std::max(entry, last);
      if (entry < n) break;
      before += n;
      entry = 0;
      ++head;
    }
  }
  split.first_part.push_back(static_cast<int32_t>(split.parts.size()));
  for (size_t i = 0; i < split.parts.size();) {
    size_t n = 1;
    while (i + n < split.parts.size() && split.parts[i + n].head == split.parts[i].head)
      ++n;
    for (size_t k = 0; k < n; ++k) {
      split.parts[i + k].index = static_cast<int32_t>(k);
      split.parts[i + k].n_part = static_cast<int32_t>(n);
    }
    i += n;
  }
  return split;
}

}  // namespace restkv
