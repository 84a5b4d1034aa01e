// Attention while tokens are read: turns queries and keys to their positions, stores keys and
// values in the layer's scratch, writes down the queries that a log keeps, and attends.
//
// Thread safety: none; one graph at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/block_choice.h"
#include "engine/read_state.h"
#include "engine/tile_attention.h"

namespace restkv {

class ReadAttention {
 public:
  struct Options {
    bool rounds = false;  // the result is wanted as bf16, its rows padded as panel products want
    int64_t n_tail = 0;   // the last tokens, whose attention is exact in any case
  };
  ReadAttention(ReadState& state, const Options& options);

  // Whether it is our tiles that attend: ggml's attention cannot leave blocks out.
  static bool uses_tiles(Kernels kernels, const PrefillAttention& attention);

  // Once the scratch is there, before its first layer. Errors: capacity, usage.
  Status allocate(int64_t max_entries, const std::shared_ptr<KvMeter>& meter);

  // Sparse attention goes through a layer twice where its pattern depends on the keys: between
  // begin_keys() and end_keys() attend() only stores what it is given.
  bool looks_first() const { return blocks_.looks_first(); }
  void begin_layer() { blocks_.begin_layer(); }
  void begin_keys() { keys_only_ = true; }
  bool stores_only() const { return keys_only_; }
  // Whether attend() looks at the queries of tokens first .. first + n: without them q may be null.
  bool wants_queries(int64_t first, int64_t n) const {
    return !keys_only_ || blocks_.wants_queries(first, n);
  }
  void end_keys();
  // Before the graph of a chunk, once its layer's scratch has been laid out.
  void begin_chunk(int64_t first, int64_t n);
  // Nodes and leaves that attend() adds, generously.
  size_t count_nodes() const { return 32 * static_cast<size_t>(state_.scratch.n_store()); }
  // Time that ReadState::column_sums took so far.
  double column_ms() const { return tile_attention_.column_ms(); }
  // Of tokens first .. first + n; `raw` before RoPE. Returns [n][n_head * head_dim], which is of
  // this object until the next call, as the graph's leaves are.
  ggml_tensor* attend(const GraphBuild& b, int64_t first, int64_t n, const Qkv& raw);

 private:
  Qkv rotate(const GraphContext& g, const Qkv& raw, ggml_tensor* positions) const;
  Qkv part(const GraphBuild& b, const Qkv& qkv, int32_t store) const;
  Qkv rotate_part(const GraphBuild& b, const Qkv& raw, int32_t store, int64_t first, int64_t n);
  int64_t kv_head(int32_t store) const;
  void store_rows(const GraphBuild& b, ggml_tensor* t, int64_t from_head, int64_t n, uint16_t* to);
  void store_raw_keys(const GraphBuild& b, ggml_tensor* k, int64_t first, int64_t n);
  void attend_stores(const GraphBuild& b, int64_t first, int64_t n, const Qkv& qkv, int32_t store,
                     int32_t count, ggml_tensor* out);
  void attend_tiles(const GraphBuild& b, int64_t first, int64_t n, const Qkv& qkv, int32_t store,
                    int32_t count, ggml_tensor* out);
  void attend_ggml(const GraphBuild& b, int64_t n_kv, const Qkv& qkv, int32_t store, int32_t count,
                   ggml_tensor* out);
  void count_blocks(int64_t first, int64_t n);
  void write_queries(const GraphBuild& b, QueryLog* log, ggml_tensor* q, int64_t first, int64_t n);

  ReadState& state_;
  const HParams& hp_;
  const AttentionScale scale_;
  const bool tiles_;  // by the kernel of ours
  const bool rounds_;
  bool keys_only_ = false;
  TileAttention tile_attention_;
  BlockChoice blocks_;
  std::vector<int32_t> index_;       // positions of a chunk, of every store head where they differ
  std::vector<ggml_fp16_t> mask_;    // [chunk][width]; ggml's attention alone needs one
  std::vector<std::byte> attended_;  // [chunk][n_head][head_dim], float or bf16
};

}  // namespace restkv
