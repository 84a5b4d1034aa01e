// The attention of a decode step over ragged caches, as one node a layer for all sequences: queries
// and the new key turn to their positions, the new rows go into the cache, queries into the logs,
// and every thread attends to its share of the entries. Where a head is shared, whoever finishes
// its last part merges them: no thread waits for another.
//
// Thread safety: one graph at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "engine/compute.h"
#include "engine/decode.h"
#include "engine/decode_split.h"
#include "kernels/decode_attention.h"
#include "model/model.h"

namespace restkv {

class DecodeAttention {
 public:
  // Whether a step takes it. Without vectors ggml's is faster.
  static bool serves(Kernels kernels);

  // The slots' caches count the new entry already, its rows are not written yet; the logs have room
  // for a query. Turns of the slots' next positions are there: see prepare_turns(). All of it, and
  // this object, must stay where it is until the graph has run.
  DecodeAttention(const Model& model, std::span<const DecodeSlot> slots, int n_threads);

  // Layer l. raw: q [n_slot][n_head][head_dim], k and v [n_slot][n_head_kv][head_dim], before RoPE,
  // each head's row in one piece. Returns [n_slot][n_head * head_dim].
  ggml_tensor* attend(const GraphBuild& b, uint32_t l, const Qkv& raw);

 private:
  // A cached head of one sequence.
  struct Head {
    const LayerCache* layer;
    int32_t slot, index;
    kernels::Turns at;             // the newest entry's turn
    kernels::Turns keys;           // of all entries, where keys turn when they are read
    float *raw_log, *rotated_log;  // the first query head's row, nullptr: not logged
    int64_t raw_stride, rotated_stride;
  };
  struct Layer {
    std::vector<Head> heads;
    DecodeSplit split;
    std::vector<kernels::DecodePartial> partials;  // [parts], of heads that are split
    std::vector<std::atomic<int32_t>> n_done;      // [heads] parts that are finished
  };
  // What one thread works in.
  struct Room {
    float *queries, *row, *tops, *totals, *scratch;
  };

  void add_heads(const Sequence& sequence, uint32_t l, int32_t slot, Layer* layer) const;
  void place_partials(Layer* layer);
  Room room(int thread);
  int64_t n_group(const Head& head) const { return n_head_ / head.layer->n_head(); }
  void run_part(const ggml_tensor& dst, Layer& layer, int32_t part, const Room& room) const;
  void prepare_queries(const ggml_tensor& q, const Head& head, bool newest, float* queries) const;
  void store_newest(const ggml_tensor& rows, const Head& head, bool is_key, float* row) const;

  const Model& model_;
  std::span<const DecodeSlot> slots_;
  int n_threads_;
  int64_t n_head_, n_head_kv_, head_dim_;
  int64_t max_group_ = 1;
  const kernels::DecodeAttentionKernels& kernels_;
  std::deque<Layer> layers_;
  std::vector<float> rooms_;  // [n_threads][room_floats]
  // [2 n_threads][max_group][head_dim + 2]: layers run one after another and share it.
  std::vector<float> partial_sums_;
};

// Makes sure that the sequence knows the turn of its next position, for DecodeAttention.
// Errors: as Compute::run.
Status prepare_turns(const Model& model, Compute& compute, Sequence* sequence);

}  // namespace restkv
