// One-dimensional pooling of scores, stride 1, same length (docs/policies.md, what all policies
// share and rest-kv). Linear time whatever the kernel, by running sums that restart every `kernel`
// values: unlike a prefix sum they never subtract, so a huge score does not drown its small
// neighbours.
#pragma once

#include <cstdint>
#include <span>

namespace restkv {

// Mean over kernel values centred on j; zeros outside, always divided by kernel.
// REQUIRES: kernel >= 1 and odd; out.size() == in.size(); no overlap. The same for all below.
void average_pool(std::span<const float> in, int64_t kernel, std::span<float> out);

// Maximum over kernel values centred on j; -infinity outside. A NaN is treated as +infinity.
void maximum_pool(std::span<const float> in, int64_t kernel, std::span<float> out);

// Mean over kernel values centred on j + shift; the edge values are repeated outside.
// REQUIRES also: |shift| and kernel below 2^60.
void shifted_box(std::span<const float> in, int64_t kernel, int64_t shift, std::span<float> out);

}  // namespace restkv
