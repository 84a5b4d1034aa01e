#include "engine/tile_column_sums.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/align.h"
#include "engine/tile_attention.h"
#include "kernels/dispatch.h"

namespace restkv {
namespace {

constexpr int64_t kPackAtOnce = 8;

const kernels::PrefillAttentionKernels& best() {
  return *kernels::best_kernels().prefill_attention;
}

class Memory {
 public:
  explicit Memory(size_t n_byte) : bytes_(n_byte + kCacheLine - 1) {}
  void* aligned() { return align_up(bytes_.data()); }

 private:
  std::vector<std::byte> bytes_;
};

class Summing {
 public:
  Summing(const TileColumnSums& args, Workers& workers)
      : args_(args),
        workers_(workers),
        n_entry_(args.keys.n_row),
        packed_(best().packed_bytes(n_entry_, args.keys.n_col)),
        scratch_(workers.n_threads(), Memory(best().scratch_bytes(args.keys.n_col))),
        sums_(args.n_group * n_entry_, 0.0) {}

  void run() {
    pack();
    // Queries that look ahead, then those that do not.
    sweep(0, args_.n_query - args_.n_masked, false);
    sweep(args_.n_query - args_.n_masked, args_.n_masked, true);
    std::copy(sums_.begin(), sums_.end(), args_.sums);
  }

 private:
  void pack() {
    // The kernel packs values as well; nobody will read them.
    const kernels::PackKeys pack{args_.keys, args_.keys, n_entry_, packed_.aligned()};
    const int64_t n_block = kernels::n_key_blocks(n_entry_);
    workers_.for_each((n_block + kPackAtOnce - 1) / kPackAtOnce, [&](int64_t i, int) {
      const int64_t first = i * kPackAtOnce;
      best().pack(pack, first, std::min(kPackAtOnce, n_block - first));
    });
  }

  void sweep(int64_t first, int64_t n_row, bool causal) {
    if (n_row <= 0) return;
    const QueryRows& rows = args_.queries;
    const kernels::PrefillQueries queries{
        .data = rows.row(args_.first_head, rows.n_query - args_.n_query + first),
        .row_stride = rows.head_dim,
        .head_stride = rows.head_stride,
        .n_head = args_.n_group,
        .n_row = n_row,
        .head_dim = rows.head_dim,
        .scale = args_.attention_scale,
        .n_key = n_entry_,
        .first_visible = n_entry_ - n_row + 1,
        .causal = causal};
    lse_.resize(args_.n_group * n_row);
    const kernels::PrefillAttention normalize{
        .packed = packed_.aligned(), .queries = queries, .lse = lse_.data()};
    const int64_t n_unit = kernels::n_attend_units(queries);
    workers_.for_each(n_unit, [&](int64_t i, int thread) {
      best().log_sum_exp(normalize, n_unit - 1 - i, scratch_[thread].aligned());
    });
    const kernels::ColumnSums columns{packed_.aligned(), queries, lse_.data(), sums_.data(),
                                      n_entry_};
    workers_.for_each(kernels::n_column_units(queries), [&](int64_t i, int thread) {
      best().column_sums(columns, i, scratch_[thread].aligned());
    });
  }

  const TileColumnSums& args_;
  Workers& workers_;
  int64_t n_entry_;
  Memory packed_;
  std::vector<Memory> scratch_;  // [n_threads]
  std::vector<double> sums_;     // [n_group][n_entry]
  std::vector<float> lse_;       // [n_group][n_row]
};

}  // namespace

bool tiles_sum_columns(Kernels kernels, int64_t n_query) {
  return kernels == Kernels::automatic && TileAttention::available() && n_query >= kMinTileQueries;
}

size_t tile_column_bytes(int64_t n_query, int64_t n_entry, int64_t n_group, int64_t head_dim) {
  return best().packed_bytes(n_entry, head_dim) + n_group * n_entry * sizeof(double) +
         n_group * n_query * sizeof(float);
}

void sum_columns(const TileColumnSums& args, Workers& workers) {
  Summing(args, workers).run();
}

}  // namespace restkv
