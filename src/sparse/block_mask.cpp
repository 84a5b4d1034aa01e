#include "sparse/block_mask.h"

namespace restkv::sparse {

int64_t count_causal(const QuerySpan& span) {
  int64_t count = 0;
  for (int64_t b = 0; b < span.n_query_block(); ++b)
    count += span.n_visible(b);
  return count;
}

int64_t list_blocks(std::span<const uint8_t> masks, int64_t n_row, int64_t n_key_block,
                    int32_t* offsets, int32_t* blocks) {
  int32_t n = 0;
  for (int64_t r = 0; r < n_row; ++r) {
    offsets[r] = n;
    const uint8_t* row = masks.data() + r * n_key_block;
    for (int64_t j = 0; j < n_key_block; ++j) {
      if (row[j] != 0) blocks[n++] = static_cast<int32_t>(j);
    }
  }
  offsets[n_row] = n;
  return n;
}

}  // namespace restkv::sparse
