// Sparse prefill inside a reading: what holds for a layer's query heads is chosen once the keys of
// all its tokens are there; then every chunk's blocks are listed for the tile kernel, by a node in
// its graph (sparse/pattern.h, docs/sparse-prefill.md).
//
// Thread safety: none; one graph at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/read_state.h"
#include "kernels/prefill_attention.h"
#include "sparse/pattern.h"

namespace restkv {

class BlockChoice {
 public:
  // n_tail: the last tokens, whose attention is looked at afterwards and stays exact.
  BlockChoice(ReadState& state, int64_t n_tail);

  // Error: usage, as sparse::make_pattern().
  Status prepare();
  bool is_sparse() const { return pattern_ != nullptr; }
  // Bytes that a reading's patterns, lists and pooled keys take at most.
  static size_t work_bytes(const HParams& hparams, int64_t n_row, int64_t chunk, int n_threads);

  // Whether keys and last queries are needed before the first chunk is attended to.
  bool looks_first() const;

  bool wants_queries(int64_t first, int64_t n) const {
    return first + n > state_.n_token - n_last_;
  }

  // Once the layer's scratch has been laid out.
  void begin_layer();
  // Keeps those of the queries first .. first + n that choose() will look at. q: after RoPE, of all
  // query heads or of those from first_head on.
  void keep_queries(const GraphBuild& b, ggml_tensor* q, int64_t first_head, int64_t first,
                    int64_t n);
  void choose();

  // Adds the node that lists the blocks of tokens first .. first + n for the query heads of a store
  // head, and counts them once it has run. The lists live as long as the graph.
  kernels::BlockSelection select(const GraphBuild& b, int32_t store, int64_t first, int64_t n,
                                 ggml_tensor* q);

 private:
  struct Lists;
  sparse::HeadObservation observe(int64_t head) const;
  void pool(int32_t store);
  void select_head(Lists& lists, int64_t i, const ggml_tensor* q, float* scratch);

  ReadState& state_;
  const HParams& hp_;
  const int64_t n_tail_;
  std::unique_ptr<const sparse::PrefillPattern> pattern_;
  int64_t n_last_ = 0;                       // queries that are kept
  std::vector<float> last_;                  // [n_head][n_last][head_dim]
  std::vector<std::vector<float>> pooled_;   // [n_store][n_pooled][head_dim]
  std::vector<sparse::HeadPattern> chosen_;  // [n_head]
  std::vector<sparse::Coverage> covered_;    // [n_head]
  std::vector<std::vector<float>> scratch_;  // [n_threads]
};

}  // namespace restkv
