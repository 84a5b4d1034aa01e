// From a head's pattern to the blocks that a chunk of its queries computes.
#pragma once

#include <cstdint>

#include "sparse/block_mask.h"
#include "sparse/pattern.h"

namespace restkv::sparse {

struct SelectBlocks {
  const HeadPattern* pattern = nullptr;
  QuerySpan span;
  uint8_t* mask = nullptr;  // out [n_query_block][n_key_block]: 1 where a block is computed

  // Of a query-aware head, otherwise unused.
  const float* queries = nullptr;  // [n_query][head_dim] after RoPE, query_stride floats apart
  int64_t query_stride = 0;
  RowsView pooled_keys;         // [>= n_pooled(n_key)][head_dim], f32
  float scale = 1.0f;           // factor of the dot products
  int64_t n_block_left = 0;     // query blocks of the prompt behind this chunk
  Coverage* covered = nullptr;  // in and out: of this head's chunks so far, empty before the first
  float* scratch = nullptr;     // [select_scratch(span, head_dim)]
};

// Floats of scratch for a query-aware head.
int64_t select_scratch(const QuerySpan& span, int64_t head_dim);

// Every row of the mask holds block 0, the blocks of the queries themselves and the one before,
// cached keys, and no block beyond the causal border; rows of dense queries hold all up to it.
// Does not allocate, does not throw; may run concurrently for different heads.
void select_blocks(const SelectBlocks& args);

}  // namespace restkv::sparse
