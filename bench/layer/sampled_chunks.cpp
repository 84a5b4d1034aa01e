#include "bench/layer/sampled_chunks.h"

#include <algorithm>

#include "engine/chunks.h"

namespace restkv::bench {
namespace {

constexpr int64_t kSampled = 5;

}  // namespace

std::vector<Chunk> divide_prompt(int64_t n_token, int64_t chunk) {
  std::vector<Chunk> chunks;
  for (int64_t first = 0; first < n_token;) {
    int64_t end = std::min(first + chunk, n_token);
    if (n_token - end < kMinChunk) end = n_token;
    chunks.push_back({first, end - first});
    first = end;
  }
  const int64_t n_whole = std::max<int64_t>(
      1, std::ranges::count_if(chunks, [&](const Chunk& c) { return c.n >= chunk; }));
  const int64_t n_sampled = std::min(kSampled, n_whole);
  for (int64_t i = 0; i < n_sampled; ++i)
    chunks[n_sampled == 1 ? 0 : i * (n_whole - 1) / (n_sampled - 1)].sampled = true;
  return chunks;
}

double over_prompt(const std::vector<Chunk>& chunks, const std::vector<double>& sampled) {
  std::vector<double> at;
  const auto middle = [](const Chunk& c) { return c.first + 0.5 * static_cast<double>(c.n); };
  for (const Chunk& c : chunks) {
    if (c.sampled) at.push_back(middle(c));
  }
  double sum = 0, n_token = 0;
  for (const Chunk& c : chunks) {
    const size_t i = std::ranges::upper_bound(at, middle(c)) - at.begin();
    double value = i == 0 ? sampled.front() : sampled[i - 1];
    if (i > 0 && i < at.size()) {
      const double t = (middle(c) - at[i - 1]) / (at[i] - at[i - 1]);
      value += t * (sampled[i] - sampled[i - 1]);
    }
    sum += value * static_cast<double>(c.n);
    n_token += static_cast<double>(c.n);
  }
  return sum / n_token;
}

}  // namespace restkv::bench
