// One layer of a larger model's geometry at long contexts, and what that comes to for all of its
// layers. See README.md.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/common/stats.h"
#include "bench/layer/layer_prefill.h"
#include "bench/layer/paper.h"
#include "bench/layer/shapes.h"
#include "ggml.h"
#include "restkv/options.h"

namespace restkv::bench {

struct LayerScenario {
  LayerShape shape;
  ggml_type weights = GGML_TYPE_Q4_0;
  std::vector<int64_t> contexts{};  // each at least 512
  std::vector<CacheConfig> configs{};
  int n_threads = 1;
  Kernels kernels = Kernels::automatic;
  int n_repeat = 3;
  int n_step = 64;                         // decoded in a repetition
  bool prefill = true;                     // sample it, too
  std::vector<PrefillAttention> sparse{};  // beside dense attention; needs kernels of ours
  double read_gb_per_s = 0;                // what all threads read from memory, for the bound
  std::function<void(const std::string&)> on_step{};
};

// Of one layer, unless it says otherwise.
struct LayerRow {
  std::string policy{};
  int64_t n_token = 0;
  Spread eviction_ms{}, decode_ms{};  // decode: of a token
  Ratio full_to_policy{};             // decode time of the full cache over this one's
  double prefill_ms = 0;              // dense, sampled; 0 where it was not asked for
  double entries = 0, planned = 0;    // a cached head
  int64_t weight_bytes = 0, kv_bytes = 0, kv_full_bytes = 0;
  double bound_ms = 0;  // a decode step's bytes over the bandwidth
  double recall = 0;    // of the planted entries, the share that is kept
  bool counts = false;

  // Extrapolated to all layers.
  double prefill_s = 0, decode_s = 0;  // of the prompt with its evictions, of a token
  double peak_bytes = 0;               // weights, K/V, hidden states, working space
  std::optional<PaperFigure> paper{};
};

struct LayerResult {
  int n_measured_layer = 0;
  std::vector<LayerPrefill> prefill{};  // for every context dense and `sparse`, in order
  std::vector<LayerRow> rows{};         // the full cache first
  std::vector<std::string> notes{};     // what was left out, and why
};

// Errors: usage (a policy that treats layers unlike), capacity (a context that does not fit the
// memory), as make_layer_model(), decode() and extend().
Result<LayerResult> run_layer(const LayerScenario& scenario);

}  // namespace restkv::bench
