// Which chunks of a prompt are run, and what they say of the whole.
#pragma once

#include <cstdint>
#include <vector>

namespace restkv::bench {

struct Chunk {
  int64_t first = 0, n = 0;
  bool sampled = false;
};

// A prompt in chunks of `chunk` tokens as a reading divides it; five whole ones are sampled, evenly
// spread from the first to the last, or all of them where there are fewer.
std::vector<Chunk> divide_prompt(int64_t n_token, int64_t chunk);

// The mean over all tokens of a value that is known for the sampled chunks, in their order; between
// them it lies on straight lines, behind the last it stays. REQUIRES: one value for each.
double over_prompt(const std::vector<Chunk>& chunks, const std::vector<double>& sampled);

}  // namespace restkv::bench
