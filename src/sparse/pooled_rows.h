// Means of neighbouring rows: what stands for a stretch of queries or keys where attention is only
// estimated.
#pragma once

#include <cstdint>

#include "restkv/tensor_view.h"

namespace restkv::sparse {

// Rows of a mean. The paper of FlexPrefill pools whole blocks of 128; means of 16 tell blocks apart
// better (docs/sparse-prefill.md) and still cost a 256th of the products.
constexpr int64_t kPool = 16;

constexpr int64_t n_pooled(int64_t n) {
  return (n + kPool - 1) / kPool;
}

// Means of rows kPool * first and on, `count` of them, to out [count][n_col]; the last one may have
// fewer rows. Pure, does not allocate. REQUIRES: kPool * (first + count - 1) < rows.n_row.
void pool_rows(const RowsView& rows, int64_t first, int64_t count, float* out);

}  // namespace restkv::sparse
