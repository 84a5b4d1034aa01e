// What sparse prefill patterns leave out of the attention of real prompts, and what choosing them
// costs. See README.md.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/prefill.h"
#include "restkv/options.h"
#include "sparse/block_mask.h"

namespace restkv::bench {

// One method over all heads and layers that were looked at.
struct PatternQuality {
  PrefillAttention method{};
  sparse::BlockCount blocks{};
  int64_t n_head = 0;         // heads of all layers
  int64_t n_query_aware = 0;  // of them
  // Of sampled queries, the dense tail aside: the share of their attention that lies in computed
  // blocks, and |output - dense output| / |dense output|. Means over the heads; the worst head.
  double mass = 0, least_mass = 1, error = 0;
  // Time of one thread.
  double choose_ms = 0, select_ms = 0;
};

// Looks at one layer after the other of a dense reading.
class PatternTrial {
 public:
  struct Options {
    int64_t chunk = 4096;  // queries that are selected for at a time
    int64_t sample = 64;   // one query of so many is measured; below a block's 128
  };
  // REQUIRES: methods that sparse::check() accepts.
  PatternTrial(const std::vector<PrefillAttention>& methods, const Options& options);

  void add(const LayerRead& layer, int n_threads);
  std::vector<PatternQuality> results() const;

 private:
  const Options options_;
  std::vector<PatternQuality> sums_;  // mass and error are sums over heads here
};

struct PatternScenario {
  std::vector<int32_t> prompt{};
  std::vector<PrefillAttention> methods{};
  PatternTrial::Options trial{};
  int32_t n_layer = 0;  // the first so many, 0: all
};

// Errors: as prefill().
Result<std::vector<PatternQuality>> run_patterns(const Model& model, Compute& compute,
                                                 const PatternScenario& scenario);

}  // namespace restkv::bench
