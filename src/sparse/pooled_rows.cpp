#include "sparse/pooled_rows.h"

#include <algorithm>

namespace restkv::sparse {
namespace {

constexpr int64_t kColumns = 64;  // at a time, on the stack

// Columns c .. c + n of the mean of `count` rows.
void pool_columns(const RowsView& rows, int64_t first, int64_t count, int64_t c, int64_t n,
                  float* out) {
  float row[kColumns];
  RowsView part = rows;
  part.data = static_cast<const char*>(rows.data) + c * element_size(rows.type);
  part.n_col = n;
  std::fill(out, out + n, 0.0f);
  for (int64_t r = first; r < first + count; ++r) {
    load_rows(part, r, 1, row);
    for (int64_t i = 0; i < n; ++i)
      out[i] += row[i];
  }
  for (int64_t i = 0; i < n; ++i)
    out[i] /= static_cast<float>(count);
}

}  // namespace

void pool_rows(const RowsView& rows, int64_t first, int64_t count, float* out) {
  for (int64_t p = first; p < first + count; ++p, out += rows.n_col) {
    const int64_t begin = p * kPool, n_row = std::min(kPool, rows.n_row - begin);
    for (int64_t c = 0; c < rows.n_col; c += kColumns) {
      pool_columns(rows, begin, n_row, c, std::min(kColumns, rows.n_col - c), out + c);
    }
  }
}

}  // namespace restkv::sparse
