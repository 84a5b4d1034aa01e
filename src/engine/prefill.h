// Layer-major prefill: the whole prompt goes through one layer, that layer's cache is compressed at
// once, and its full-length scratch serves the next layer. Peak K/V is one full layer plus the
// compressed rest; what else grows with the prompt are the hidden states.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "cache/kv_cache.h"
#include "engine/compute.h"
#include "engine/evict.h"
#include "model/model.h"

namespace restkv {

// llama.cpp's default, and large enough for its matrix kernels to be at their best.
constexpr int64_t kChunk = 512;
// ggml's attention takes another, less exact path below this many queries; a shorter remainder of
// the prompt joins the chunk before it.
constexpr int64_t kMinChunk = 64;
constexpr int64_t kMaxChunk = kChunk + kMinChunk - 1;

struct PrefillProgress {
  int32_t layer, n_layer;
  int64_t n_done, n_token;  // of this layer
};

struct PrefillRequest {
  std::span<const int32_t> tokens;  // at least one
  // One reading of the prompt, a cache for each configuration.
  std::span<const CachePlan> plans;
  // Called with logits [n_row][n_vocab] of tokens first_row .. for every token, in order; when it
  // is empty only the last token goes through the output head.
  std::function<Status(int64_t first_row, TensorView<const float, 2> logits)> on_logits;
  std::function<void(const PrefillProgress&)> on_progress;
};

struct PrefillResult {
  std::vector<KvCache> caches;     // as plans
  std::vector<float> last_logits;  // [n_vocab]
  double total_ms = 0, eviction_ms = 0;
};

// Errors: capacity (memory), runtime (cancelled), model (logits that are no numbers).
Result<PrefillResult> prefill(const Model& model, Compute& compute, const PrefillRequest& request,
                              const std::shared_ptr<KvMeter>& meter);

// NaN or infinity in logits comes from the weights, or from activations that f16 cannot hold.
// Error: model.
Status check_logits(const Model& model, std::span<const float> logits);

}  // namespace restkv
