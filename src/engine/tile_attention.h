// Attention of a chunk of prompt tokens by the tile kernel (kernels/prefill_attention.h): the keys
// and values of one store head at a time are packed and serve all its query heads, as pairs of
// nodes (pack, attend) in a graph.
//
// Thread safety: one graph at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cache/memory.h"
#include "engine/compute.h"
#include "kernels/prefill_attention.h"

namespace restkv {

class TileAttention {
 public:
  // Whether it is faster than ggml's on this CPU.
  static bool available();
  // K/V memory that a store head of n_key entries takes while it is attended to.
  static size_t packed_bytes(int64_t n_key, int64_t head_dim);

  // Memory for store heads of at most n_key entries. Error: capacity.
  Status allocate(int64_t n_key, int64_t head_dim, int n_threads,
                  const std::shared_ptr<KvMeter>& meter);

  struct StoreHead {
    RowsView keys, values;   // [n_key][head_dim], the chunk's own rows at the end
    int64_t first_head = 0;  // of its query heads, in `out`
    float scale = 1.0f;
    kernels::BlockSelection selection{};  // filled in before the node runs
    // In and out: what each key receives from all queries, whatever the selection; the rows of the
    // store head's query heads, column_stride apart. Null: not wanted.
    double* column_sums = nullptr;
    int64_t column_stride = 0;
  };
  // Adds the nodes of one store head. queries: its own, float [n_row][n_group][head_dim], strided;
  // out: float or bf16 [>= n_row][n_head * head_dim]. The rows are read when the graph runs.
  void attend(const GraphBuild& b, const StoreHead& head, ggml_tensor* queries, ggml_tensor* out);

  // Time that the column sums of all graphs so far took.
  double column_ms() const { return column_ms_; }

 private:
  struct Task;
  void sum_columns(const GraphBuild& b, const StoreHead& head, const std::shared_ptr<Task>& task,
                   ggml_tensor* queries);

  KvBuffer packed_;
  std::vector<std::vector<std::byte>> scratch_;  // [n_threads]
  std::vector<float> lse_;                       // [n_group][n_row] of the store head that runs
  double column_ms_ = 0;
};

}  // namespace restkv
