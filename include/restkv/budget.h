// How a budget is split: over the layers, and within a layer over its cached heads. Any split goes
// with any scoring policy. Counts here are entries of the past: the protected window, which every
// head keeps on top, is not in them.
//
// Thread safety: pure functions on plain values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "restkv/status.h"

namespace restkv {

struct LayerBudget {
  enum class Kind { uniform, pyramid, table };
  Kind kind = Kind::uniform;
  double pyramid_beta = 20.0;  // PyramidKV: the last layer keeps about b / beta
  // table: entries per head for each layer, window included, as a budget is given.
  std::vector<int64_t> table{};
};

struct HeadBudget {
  enum class Kind { uniform, ada, table };
  Kind kind = Kind::uniform;
  double floor = 0.2;     // ada: the share of a head's equal part that no other head can take
  bool normalise = true;  // ada: scale each head's scores by the share of its b best
  // table: past entries of each head of each layer, [n_layer][n_head] or [n_layer][n_head_kv]; what
  // a head keeps beyond its window (HeadKV).
  std::vector<std::vector<int64_t>> table{};
};

// What a layer split must know.
struct LayerSplit {
  int64_t budget = 0;    // B
  int64_t window = 0;    // entries that are protected as the window; 0 where the policy has none
  int64_t n_forced = 0;  // sinks and pinned entries before the window, at most in any head
  int64_t n_seen = 0;    // tokens read so far, evicted ones included: L
  int32_t n_layer = 1;
  bool spares_short = true;  // PolicyTraits::pyramid_spares_short
  bool strict = false;       // the sum over the layers must not exceed n_layer * (B - W)
};

// Past entries a cached head of each layer keeps on average, forced ones included, [n_layer].
// Pyramid: arXiv 2406.02069, docs/policies.md, splits over layers; forced entries are set aside
// before the split. Errors: usage (a table of another number of layers), capacity (a layer whose
// share does not hold its window and forced entries, by its number).
Result<std::vector<int64_t>> split_layers(const LayerBudget& split, const LayerSplit& args);

// One selecting head, as the head split and the selection see it.
struct HeadScores {
  std::span<const float> scores;    // [n_scored], voted and smoothed
  int64_t n_entry = 0;              // >= n_scored; those from n_scored on are the protected window
  std::span<const int32_t> forced;  // ascending, below n_scored
};

// Past entries that each of the heads keeps, forced ones included and never more than it has,
// [n_head]. n_keep: the layer's share for each head, of split_layers(). `layer` names the row of a
// table. `strict`: the sum must not exceed n_head * n_keep.
// Ada: arXiv 2407.11550, docs/policies.md, splits over heads, on the entries that are not forced.
// Table: docs/policies.md, headkv; a row of one cap per query head serves KV heads by the rounded
// mean of each group. Errors: usage (a table of another shape), capacity (a cap below the forced
// entries).
Result<std::vector<int64_t>> split_heads(const HeadBudget& split, std::span<const HeadScores> heads,
                                         int64_t n_keep, int32_t layer, bool strict);

// PyramidKV's c(l) alone. b = B - W, P = n_past, beta_p = 20 in the paper's code; without its
// middle case (B <= L < 2b: every layer keeps b).
// REQUIRES: 0 <= b <= n_past, 0 <= layer < n_layer, beta_p >= 1.
int64_t pyramid_past_budget(int64_t b, int64_t n_past, int32_t layer, int32_t n_layer,
                            double beta_p);

}  // namespace restkv
