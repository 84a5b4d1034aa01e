#include "bench/patterns/patterns.h"

#include <algorithm>

#include "bench/patterns/head_trial.h"
#include "core/parallel.h"

namespace restkv::bench {

PatternTrial::PatternTrial(const std::vector<PrefillAttention>& methods, const Options& options)
    : options_(options) {
  for (const PrefillAttention& method : methods)
    sums_.push_back({.method = method});
}

void PatternTrial::add(const LayerRead& layer, int n_threads) {
  const auto n_kv = static_cast<int64_t>(layer.keys.size());
  std::vector<std::vector<float>> pooled(n_kv);
  for (int64_t kv = 0; kv < n_kv; ++kv)
    pooled[kv] = pool_keys(layer.keys[kv]);
  const int64_t n_head = layer.n_head;
  std::vector<std::vector<PatternQuality>> found(n_head);
  parallel_for(n_threads, n_head, [&](int64_t h) {
    const int64_t kv = h / (n_head / n_kv);
    const HeadTrial trial({.queries = layer.queries.row(h, 0),
                           .n_query = layer.queries.n_query,
                           .keys = layer.keys[kv],
                           .values = layer.values[kv],
                           .pooled_keys = pooled[kv],
                           .scale = layer.scale,
                           .chunk = options_.chunk,
                           .sample = options_.sample});
    for (const PatternQuality& sum : sums_)
      found[h].push_back(trial.run(sum.method));
  });
  for (const auto& head : found) {
    for (size_t i = 0; i < sums_.size(); ++i)
      add_head(head[i], &sums_[i]);
  }
}

std::vector<PatternQuality> PatternTrial::results() const {
  std::vector<PatternQuality> means = sums_;
  for (PatternQuality& mean : means) {
    const auto n = static_cast<double>(std::max<int64_t>(1, mean.n_head));
    mean.mass /= n;
    mean.error /= n;
  }
  return means;
}

Result<std::vector<PatternQuality>> run_patterns(const Model& model, Compute& compute,
                                                 const PatternScenario& scenario) {
  PatternTrial trial(scenario.methods, scenario.trial);
  bool done = false;
  ReadRequest request{.tokens = scenario.prompt};
  request.on_layer = [&](const LayerRead& layer) -> Status {
    trial.add(layer, compute.n_threads());
    done = layer.layer + 1 == scenario.n_layer;
    return done ? Status::runtime("enough layers") : Status();
  };
  const auto read = prefill(model, compute, request, {}, std::make_shared<KvMeter>());
  if (!read.ok() && !done) return read.status();
  return trial.results();
}

}  // namespace restkv::bench
