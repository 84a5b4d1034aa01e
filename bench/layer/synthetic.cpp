#include "bench/layer/synthetic.h"

#include <algorithm>
#include <cmath>

#include "core/random.h"
#include "ggml.h"

namespace restkv::bench {
namespace {

constexpr int64_t kWaves = 8;  // pairs of dimensions that encode where a token stands
// Dimensions behind the waves: one for the sink, one for what is planted.
constexpr int64_t kSinkAt = 2 * kWaves, kPlantedAt = kSinkAt + 1, kFirstNoise = kPlantedAt + 1;
constexpr double kQueryGain = 1.5;   // queries carry more of a component than keys
constexpr double kBackground = 4.0;  // mean of e^logit over ordinary keys, about

// The logit at which n_key keys together receive as much as a share of all ordinary ones.
double logit_for(const SyntheticShape& shape, double share, double n_key) {
  return std::log(static_cast<double>(shape.n_token) * kBackground * share / n_key);
}

// The component of a key that meets kQueryGain^2 times itself in a query.
double component(const SyntheticShape& shape, double logit) {
  const double product = std::max(logit, 0.0) * std::sqrt(static_cast<double>(shape.head_dim));
  return std::sqrt(product) / kQueryGain;
}

double sink_component(const SyntheticShape& shape) {
  return component(shape, logit_for(shape, 1.0, kSinkTokens));
}

double planted_component(const SyntheticShape& shape) {
  return component(shape, logit_for(shape, 1.0, kPlantedSpans * kSpanTokens));
}

double wave_component(const SyntheticShape& shape) {
  return component(shape, logit_for(shape, 0.5, 64)) / std::sqrt(double{kWaves});
}

// Waves from a period of some 25 tokens to one of some 50,000.
double frequency(int64_t wave) {
  return 0.25 / std::pow(3.0, static_cast<double>(wave));
}

void add_waves(int64_t t, double gain, float* row) {
  for (int64_t m = 0; m < kWaves; ++m) {
    const double angle = static_cast<double>(t) * frequency(m);
    row[2 * m] = static_cast<float>(gain * std::cos(angle));
    row[2 * m + 1] = static_cast<float>(gain * std::sin(angle));
  }
}

// Uniform noise of deviation 1, eight numbers a draw.
void fill_noise(SplitMix64* random, int64_t n, float* row) {
  for (int64_t i = 0; i < n; i += 8) {
    uint64_t bits = random->next();
    for (int64_t k = i; k < std::min(i + 8, n); ++k, bits >>= 8)
      row[k] = (static_cast<float>(bits & 255) - 127.5f) * (1.0f / 73.9f);
  }
}

// What is left of a key's length goes to noise, give or take a tenth.
void level(const SyntheticShape& shape, float jitter, float* row) {
  double structured = 0, noise = 0;
  for (int64_t i = 0; i < kFirstNoise; ++i)
    structured += row[i] * row[i];
  for (int64_t i = kFirstNoise; i < shape.head_dim; ++i)
    noise += row[i] * row[i];
  const double left = std::max(static_cast<double>(shape.head_dim) - structured,
                               0.01 * static_cast<double>(shape.head_dim));
  const auto factor =
      static_cast<float>(std::sqrt(left / std::max(noise, 1e-6))) * (0.9f + 0.2f * jitter);
  for (int64_t i = kFirstNoise; i < shape.head_dim; ++i)
    row[i] *= factor;
}

}  // namespace

std::vector<int64_t> planted_spans(int64_t n_token) {
  const int64_t first = 2 * kSinkTokens, room = n_token - 128 - first;
  const int64_t step = room / kPlantedSpans;
  SplitMix64 random(7);
  std::vector<int64_t> spans;
  for (int64_t s = 0; s < kPlantedSpans; ++s) {
    const auto shift = static_cast<int64_t>(random.next() % static_cast<uint64_t>(step));
    spans.push_back(first + s * step + std::min(shift, step - kSpanTokens));
  }
  return spans;
}

void synthetic_rows(const SyntheticShape& shape, int64_t kv_head, uint16_t* keys,
                    uint16_t* values) {
  const int64_t d = shape.head_dim;
  const std::vector<int64_t> spans = planted_spans(shape.n_token);
  const double wave = wave_component(shape);
  SplitMix64 random(derive_seed(11, static_cast<uint64_t>(kv_head)));
  std::vector<float> row(d);
  size_t next = 0;
  for (int64_t t = 0; t < shape.n_token; ++t) {
    if (next < spans.size() && t >= spans[next] + kSpanTokens) ++next;
    const bool planted = next < spans.size() && t >= spans[next];
    const bool sink = t < kSinkTokens;
    fill_noise(&random, d, row.data());
    add_waves(t, wave, row.data());
    row[kSinkAt] = sink ? static_cast<float>(sink_component(shape)) : 0.0f;
    row[kPlantedAt] = planted ? static_cast<float>(planted_component(shape)) : 0.0f;
    level(shape, random.uniform(), row.data());
    ggml_fp32_to_fp16_row(row.data(), keys + t * d, d);
    fill_noise(&random, d, row.data());
    for (int64_t i = 0; sink && i < d; ++i)
      row[i] *= 0.1f;
    ggml_fp32_to_fp16_row(row.data(), values + t * d, d);
  }
}

void synthetic_query(const SyntheticShape& shape, int64_t head, int64_t t, float* query) {
  SplitMix64 random(
      derive_seed(derive_seed(13, static_cast<uint64_t>(head)), static_cast<uint64_t>(t)));
  constexpr double kGain = kQueryGain * kQueryGain;
  fill_noise(&random, shape.head_dim, query);
  add_waves(t, kGain * wave_component(shape), query);
  query[kSinkAt] = static_cast<float>(kGain * sink_component(shape));
  // A query wants what is planted more or less.
  query[kPlantedAt] =
      static_cast<float>(kGain * planted_component(shape)) * (0.7f + 0.4f * random.uniform());
}

}  // namespace restkv::bench
