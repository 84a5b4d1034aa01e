#include "bench/layer/activations.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/random.h"
#include "ggml.h"

namespace restkv::bench {
namespace {

constexpr int64_t kWaves = 8;   // pairs of dimensions that encode where a token stands
constexpr int64_t kTopics = 8;  // dimensions of what a stretch is about
constexpr int64_t kSinkAt = 2 * kWaves, kColumnAt = kSinkAt + 1, kTopicAt = kColumnAt + 1,
                  kNoiseAt = kTopicAt + kTopics;
constexpr int64_t kSinkTokens = 4;
// A length that is no multiple of a block's, so that the borders of both lie anywhere.
constexpr int64_t kStretch = 200;
constexpr uint64_t kColumnEvery = 256;  // one token of so many that all queries look at

// Logits that a query head gives.
struct Head {
  double sink, near, column, topic, noise;
  int64_t offset;  // tokens between a query and its neighbourhood
};

Head head_of(int64_t head) {
  SplitMix64 random(derive_seed(31, static_cast<uint64_t>(head)));
  const auto between = [&](double low, double high) {
    return low + (high - low) * random.uniform();
  };
  Head h{};
  h.sink = between(10, 13);
  h.near = between(6, 16);
  h.column = between(0, 4);
  h.topic = between(2, 3);
  h.noise = 0.7;
  h.offset = random.uniform() < 0.25f ? static_cast<int64_t>(between(0, 1024)) : 0;
  return h;
}

// Waves from a period of some 25 tokens to one of some 50,000: their sum falls with the logarithm
// of the distance.
void add_waves(int64_t t, double gain, float* row) {
  for (int64_t m = 0; m < kWaves; ++m) {
    const double angle = static_cast<double>(t) * 0.25 / std::pow(3.0, static_cast<double>(m));
    row[2 * m] = static_cast<float>(gain * std::cos(angle));
    row[2 * m + 1] = static_cast<float>(gain * std::sin(angle));
  }
}

// Uniform noise of deviation 1 times gain, eight numbers a draw.
void fill_noise(SplitMix64* random, int64_t n, float gain, float* row) {
  for (int64_t i = 0; i < n; i += 8) {
    uint64_t bits = random->next();
    for (int64_t k = i; k < std::min(i + 8, n); ++k, bits >>= 8)
      row[k] = (static_cast<float>(bits & 255) - 127.5f) * (gain / 73.9f);
  }
}

// What the stretch of token t is about, or what its queries look for.
void fill_topic(uint64_t seed, int64_t t, float gain, float* row) {
  SplitMix64 random(derive_seed(seed, static_cast<uint64_t>(t / kStretch)));
  fill_noise(&random, kTopics, gain, row + kTopicAt);
}

bool is_column(int64_t kv_head, int64_t t) {
  const uint64_t seed = derive_seed(41, static_cast<uint64_t>(kv_head));
  return derive_seed(seed, static_cast<uint64_t>(t)) % kColumnEvery == 0;
}

}  // namespace

void structured_rows(const ActivationShape& shape, int64_t kv_head, int64_t n_token, uint16_t* keys,
                     uint16_t* values) {
  const int64_t d = shape.head_dim;
  const uint64_t topics = derive_seed(51, static_cast<uint64_t>(kv_head));
  SplitMix64 random(derive_seed(61, static_cast<uint64_t>(kv_head)));
  std::vector<float> row(d);
  for (int64_t t = 0; t < n_token; ++t) {
    const bool sink = t < kSinkTokens;
    add_waves(t, 1.0, row.data());
    row[kSinkAt] = sink ? 1.0f : 0.0f;
    row[kColumnAt] = is_column(kv_head, t) ? 1.0f : 0.0f;
    fill_topic(topics, t, 1.0f, row.data());
    fill_noise(&random, d - kNoiseAt, 1.0f, row.data() + kNoiseAt);
    ggml_fp32_to_fp16_row(row.data(), keys + t * d, d);
    fill_noise(&random, d, sink ? 0.1f : 1.0f, row.data());
    ggml_fp32_to_fp16_row(row.data(), values + t * d, d);
  }
}

void structured_queries(const ActivationShape& shape, int64_t head, int64_t first, int64_t n,
                        float* queries, int64_t stride) {
  const Head h = head_of(head);
  const double gain = 1.0 / shape.scale;
  const auto n_noise = static_cast<double>(shape.head_dim - kNoiseAt);
  const uint64_t seed = derive_seed(71, static_cast<uint64_t>(head));
  const uint64_t topics = derive_seed(81, static_cast<uint64_t>(head));
  for (int64_t t = first; t < first + n; ++t) {
    float* row = queries + (t - first) * stride;
    add_waves(t - h.offset, gain * h.near / kWaves, row);
    row[kSinkAt] = static_cast<float>(gain * h.sink);
    row[kColumnAt] = static_cast<float>(gain * h.column);
    fill_topic(topics, t, static_cast<float>(gain * h.topic / std::sqrt(double{kTopics})), row);
    SplitMix64 random(derive_seed(seed, static_cast<uint64_t>(t)));
    fill_noise(&random, shape.head_dim - kNoiseAt,
               static_cast<float>(gain * h.noise / std::sqrt(n_noise)), row + kNoiseAt);
  }
}

}  // namespace restkv::bench
