// The attention of a decode step with ggml's own nodes: one ggml_flash_attn_ext a layer where all
// heads hold the same number of entries, and one a head where they do not. Keys that turn when they
// are read are left to DecodeAttention.
//
// Thread safety: one graph at a time.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "engine/decode_attention.h"

namespace restkv {

class GgmlDecodeAttention {
 public:
  // As DecodeAttention.
  GgmlDecodeAttention(const Model& model, std::span<const DecodeSlot> slots, int n_threads);
  ggml_tensor* attend(const GraphBuild& b, uint32_t l, const Qkv& raw);

 private:
  struct Heads {
    int32_t cached, n_cached;  // of the layer, with the same number of entries, evenly spaced
    int64_t query, n_query;    // the query heads that read them
  };

  ggml_tensor* attend_slot(const GraphBuild& b, Sequence& sequence, uint32_t l, const Qkv& raw);
  ggml_tensor* attend_heads(const GraphBuild& b, const LayerCache& layer, ggml_tensor* q,
                            const Heads& heads) const;
  ggml_tensor* turn(const GraphBuild& b, const Sequence& sequence, ggml_tensor* x);

  const Model& model_;
  const HParams& hp_;
  std::span<const DecodeSlot> slots_;
  std::deque<DecodeAttention> turning_;  // [n_slot], where keys turn
  std::deque<int32_t> positions_;        // what the graph's leaves point to
};

}  // namespace restkv
