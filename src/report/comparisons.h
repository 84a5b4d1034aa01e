// Which variants are compared with which.
#pragma once

#include <string>
#include <vector>

#include "report/results.h"

namespace restkv::report {

struct Comparison {
  size_t variant = 0, reference = 0;  // into Section::variants
};

// Every variant with the full cache, and with each of the policies `against` at its own budget,
// granularity and storage type. The reference has the variant's kernel (a variant that names none
// is compared with every kernel) and its splits, or uniform ones where the reference never ran with
// those. Of several the one with the shortest name counts: options lengthen names.
std::vector<Comparison> comparisons_of(const Section& section,
                                       const std::vector<std::string>& against);

}  // namespace restkv::report
