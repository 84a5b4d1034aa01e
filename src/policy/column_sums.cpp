// Column sums of the softmax rows of many queries: what H2O counts (docs/policies.md, h2o).
#include <algorithm>
#include <new>
#include <vector>

#include "core/check.h"
#include "kernels/dispatch.h"
#include "policy/group_rows.h"
#include "restkv/policy.h"

namespace restkv {
namespace {

std::vector<float> sum_columns(const ColumnSums& args) {
  const RowSource source{args.queries, args.keys, args.attention_scale, args.n_masked};
  const int64_t n_query = source.n_query();
  const int64_t n_entry = args.keys.n_row;
  GroupRows rows(source, n_query);
  // A block's rows are added up in float, blocks in double.
  std::vector<double> sums(source.n_group() * n_entry, 0.0);
  const auto add_columns = kernels::best_kernels().window_attention->add_columns;
  for (int64_t first = 0; first < n_query; first += rows.rows_per_block()) {
    const int64_t count = std::min(rows.rows_per_block(), n_query - first);
    // Keys that no row of the block sees are left out: half of all where every row is masked.
    int64_t n_key = 0;
    for (int64_t r = first; r < first + count; ++r)
      n_key = std::max(n_key, source.n_visible(r));
    rows.compute(first, count, n_key);
    for (int64_t h = 0; h < source.n_group(); ++h) {
      const RowBlock block = rows.block(h, first, count);
      add_columns(block.weights, block.stride, count, n_key, sums.data() + h * n_entry);
    }
  }
  return {sums.begin(), sums.end()};
}

}  // namespace

Result<std::vector<float>> column_sums(const ColumnSums& args) {
  RESTKV_CHECK(0 <= args.n_masked && args.n_masked <= args.queries.shape[1]);
  try {
    return sum_columns(args);
  } catch (const std::bad_alloc&) {
    return Status::capacity("no memory for the column sums of the attention");
  }
}

}  // namespace restkv
