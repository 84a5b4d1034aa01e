// Needle in a haystack: score by length and depth, a map a variant. Thread safety: a pure function.
#pragma once

#include "report/document.h"
#include "report/results.h"

namespace restkv::report {

// At most n_map maps, of the variants and tasks in their order; a note says how many are left out.
// A chapter without maps where the results have no depths.
Chapter heat_map_chapter(const Section& section, size_t n_map);

}  // namespace restkv::report
