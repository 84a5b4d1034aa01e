// Chunks of a long prompt through one layer of a model, as the engine reads them, with keys,
// values and queries of activations.h in the place of the model's own.
//
// Thread safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "bench/layer/activations.h"
#include "bench/layer/sampled_chunks.h"
#include "engine/block_choice.h"
#include "engine/panel_products.h"
#include "engine/read_attention.h"
#include "engine/read_state.h"
#include "engine/tile_attention.h"

namespace restkv::bench {

class LayerChunks {
 public:
  // Fills the scratch with the keys and values of n_token tokens. max_chunk: tokens of the longest
  // chunk. Error: capacity.
  static Result<std::unique_ptr<LayerChunks>> create(const Model& model, Compute& compute,
                                                     int64_t n_token, int64_t max_chunk);

  // Milliseconds of a chunk with dense attention, by ReadAttention. It stores the model's own keys:
  // what runs sparsely runs before.
  Result<double> run_dense(const Chunk& chunk);

  // From here on BlockChoice chooses by this method. Error: usage, capacity.
  Status begin(const PrefillAttention& attention);
  // Whether a reading goes through the layer for its keys first.
  bool looks_first() const { return blocks_->looks_first(); }
  // Milliseconds of a chunk of that pass.
  Result<double> run_keys(const Chunk& chunk);
  // Milliseconds of choosing once the queries of the last chunk are there.
  Result<double> choose(const Chunk& last);
  // The next chunk; all of them in order, for a selection depends on those before. Milliseconds
  // with everything that a chunk takes, or of selecting alone.
  Result<double> run_sparse(const Chunk& chunk, bool selects_only);

  // Of the chunk that ran last: the share of the attention of some of its queries, none of them in
  // the dense tail, that lies in computed blocks, for each query head. Empty: no such queries.
  std::vector<double> mass(const Chunk& chunk) const;

  const sparse::BlockCount& blocks() const { return state_.blocks; }

 private:
  struct Listed {  // blocks of a store head: rows as BlockSelection has them
    std::vector<int32_t> offsets, blocks;
  };
  LayerChunks(const Model& model, Compute& compute, int64_t n_token);
  Status allocate(int64_t max_chunk);
  void fill_queries(const Chunk& chunk);
  using MakeAttention = std::function<ggml_tensor*(const GraphBuild& b, const Qkv& raw)>;
  // A whole chunk, or what of it the pass for keys computes.
  Result<double> run(const Chunk& chunk, bool keys_only, const MakeAttention& attend);
  Result<double> timed(const Chunk& chunk, const std::function<void(const GraphBuild&)>& build);
  ggml_tensor* wrap_queries(const GraphBuild& b, const Chunk& chunk) const;
  void store_own(const GraphBuild& b, const Qkv& raw, const Chunk& chunk);
  // Selects for every store head, and attends where there is an `out`.
  void select(const GraphBuild& b, const Chunk& chunk, ggml_tensor* out);
  void keep_lists(const GraphBuild& b, int32_t store, const kernels::BlockSelection& selection,
                  ggml_tensor* q);
  double mass_of_row(int64_t head, const Chunk& chunk, int64_t row, float* weights) const;

  const Model& model_;
  const HParams& hp_;
  Compute& compute_;
  const bool panels_;  // products are ours, in bf16
  ActivationShape shape_;
  ReadState state_;
  QueryLog no_log_;
  PanelProducts products_;
  std::unique_ptr<ReadAttention> dense_;
  std::unique_ptr<BlockChoice> blocks_;
  TileAttention tiles_;
  std::vector<float> queries_;       // [n][n_head][head_dim] of the chunk
  std::vector<std::byte> hidden_;    // [n][n_embd]
  std::vector<std::byte> attended_;  // [n][n_head][head_dim]
  std::vector<ggml_fp16_t>
      own_rows_;  // [2][n][n_head_kv][head_dim] K and V that the model computes
  std::vector<int32_t> positions_;
  std::vector<Listed> listed_;  // [n_head_kv]
};

}  // namespace restkv::bench
