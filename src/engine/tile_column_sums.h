// What every key receives from many queries (docs/policies.md, h2o) by the tile kernel: two sweeps
// of queries over packed keys, one for each row's log-sum-exp and one for the sums. Dot products
// are of bfloat16 where the CPU has them; restkv::column_sums() is the exact form.
//
// Thread safety: pure.
#pragma once

#include <cstdint>

#include "core/workers.h"
#include "engine/query_log.h"
#include "restkv/options.h"
#include "restkv/tensor_view.h"

namespace restkv {

// Fewer queries do not pay for packing the keys.
constexpr int64_t kMinTileQueries = 64;

bool tiles_sum_columns(Kernels kernels, int64_t n_query);

struct TileColumnSums {
  float attention_scale = 0.0f;
  QueryRows queries;       // after RoPE; of every head the last n_query
  int64_t n_query = 0;     // the newest stands at the last entry
  int64_t first_head = 0;  // of n_group in `queries`
  int64_t n_group = 1;
  RowsView keys;          // [n_entry][head_dim], finite
  int64_t n_masked = 0;   // the last of them see no later key
  float* sums = nullptr;  // out [n_group][n_entry]
};
// Memory that a call takes beside its arguments.
size_t tile_column_bytes(int64_t n_query, int64_t n_entry, int64_t n_group, int64_t head_dim);

// Throws std::bad_alloc.
void sum_columns(const TileColumnSums& args, Workers& workers);

}  // namespace restkv
