// Layer-major reading of tokens: all of them go through one layer, that layer's cache is cut at
// once, and its full-length scratch serves the next layer. Peak K/V is one full layer plus the
// compressed rest; what else grows with the tokens are the hidden states.
//
// The tokens are a first prompt, or what follows entries that a sequence holds already: another
// turn, or another chunk of an input without end.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "engine/compute.h"
#include "engine/query_log.h"
#include "engine/sequence.h"
#include "model/model.h"
#include "restkv/options.h"
#include "sparse/block_mask.h"

namespace restkv {

struct PrefillProgress {
  int32_t layer, n_layer;
  int64_t n_done, n_token;  // of this layer
  double fraction;          // of the whole reading
};

// One layer of a first prompt before its cache is cut: what a measurement of attention looks at.
struct LayerRead {
  int32_t layer = 0;
  int64_t n_head = 0;
  float scale = 0;                 // of the dot products
  QueryRows queries{};             // of all tokens, after RoPE
  std::vector<RowsView> keys{};    // [n_head_kv] [n_token][head_dim]
  std::vector<RowsView> values{};  // likewise
};

struct ReadRequest {
  std::span<const int32_t> tokens{};  // at least one
  // Called with logits [n_row][n_vocab] of tokens first_row .. for every token, in order; when it
  // is empty only the last token goes through the output head.
  std::function<Status(int64_t first_row, TensorView<const float, 2> logits)> on_logits{};
  std::function<void(const PrefillProgress&)> on_progress{};
  // Called behind every layer of a first prompt, for measurements: all of its queries are kept
  // until then. An error ends the reading.
  std::function<Status(const LayerRead& layer)> on_layer{};
  PrefillAttention attention{};
};

struct ReadResult {
  std::vector<float> last_logits;  // [n_vocab]
  double total_ms = 0, eviction_ms = 0;
  sparse::BlockCount blocks;  // of all layers and query heads
};

struct PrefillResult {
  std::vector<Sequence> sequences;  // as plans
  ReadResult read;
};

// A first prompt, read once for all plans; those with the schedule chunk read it on their own, and
// on_logits is not called for them.
// Errors: usage or capacity (a plan that does not fit the model; memory), runtime (cancelled),
// model (logits that are no numbers).
Result<PrefillResult> prefill(const Model& model, Compute& compute, const ReadRequest& request,
                              std::span<const std::shared_ptr<const CachePlan>> plans,
                              const std::shared_ptr<KvMeter>& meter);

// Tokens that follow what the sequence holds; the schedule says whether they are followed by an
// eviction. After an error that leaves layers at odds the sequence is broken. Errors as prefill().
Result<ReadResult> extend(const Model& model, Compute& compute, const ReadRequest& request,
                          Sequence* sequence);

// NaN or infinity in logits comes from the weights, or from activations that f16 cannot hold.
// Error: model.
Status check_logits(const Model& model, std::span<const float> logits);

}  // namespace restkv
