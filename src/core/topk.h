// The k best of a list of scores, in linear time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace restkv {

// Indices of the k largest scores, ascending. Ties: the lower index wins. NaN counts as +infinity
// (docs/policies.md, what all policies share). k is clamped to 0 .. scores.size().
std::vector<int32_t> top_k(std::span<const float> scores, int64_t k);

}  // namespace restkv
