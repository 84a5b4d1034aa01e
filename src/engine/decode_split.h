// How the entries of a layer's cached heads are shared out among threads: everyone gets a run of
// nearly equal length, whatever the heads hold, and a head that does not fit into one run is merged
// from its parts.
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace restkv {

// Entries first .. last - 1 of one head.
struct HeadPart {
  int32_t head;
  int64_t first, last;
  int32_t index, n_part;  // among the parts of this head
};

struct DecodeSplit {
  std::vector<HeadPart> parts;      // by head, then by entry: what lies side by side stays so
  std::vector<int32_t> first_part;  // [n_unit + 1]: unit u has parts first_part[u] and following
};

// Units cut at multiples of `align` within a head; some may be left without any part.
// REQUIRES: counts >= 1, n_unit >= 1.
DecodeSplit split_entries(std::span<const int64_t> counts, int32_t n_unit, int64_t align);

}  // namespace restkv
