// A tile of query rows against packed key blocks: the two products of attention; see
// prefill_cells_simd.h. Logits are in units of log 2: the queries carry scale * log2(e).
#pragma once

#include "kernels/prefill_pack_simd.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

// out [n_row][width] = or += a [n_row][depth] * b [depth][width], in cells; n_row a multiple of
// kRowPad, width of kWidthAlign.
template <class Cells>
class CellProduct {
  static constexpr int kLanes = Cells::kLanes;
  using F = typename Cells::F;
  using U = typename Cells::U;

 public:
  static constexpr int64_t kRowPad = 8;

  const uint32_t* a;
  int64_t a_stride;
  const uint32_t* b;
  int64_t depth;
  int64_t b_stride;
  float* out;
  int64_t out_stride;
  int64_t n_row;

  template <bool kAdd>
  void run(int64_t width) const {
    constexpr int64_t kStep = Cells::kMaxColumns * kLanes;
    int64_t c = 0;
    for (; c + kStep <= width; c += kStep)
      columns<Cells::kMaxColumns, kAdd>(c);
    if constexpr (Cells::kMaxColumns > 2) {
      if (width - c == 3 * kLanes) return columns<3, kAdd>(c);
      if (width - c == 2 * kLanes) return columns<2, kAdd>(c);
      if (width - c == kLanes) return columns<1, kAdd>(c);
    }
  }

 private:
  template <int C, bool kAdd>
  void columns(int64_t c) const {
    constexpr int kRows = kLanes == 8 || C == 4 ? 4 : 8;
    for (int64_t r = 0; r < n_row; r += kRows)
      block<kRows, C, kAdd>(a + r * a_stride, b + c, out + r * out_stride + c);
  }

  template <int R, int C, bool kAdd>
  [[gnu::always_inline]] inline void block(const uint32_t* rows, const uint32_t* panel,
                                           float* sums) const {
    F acc[R][C];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c)
        acc[r][c] = kAdd ? load<F>(sums + r * out_stride + c * kLanes) : F{};
    }
    for (int64_t k = 0; k < depth; ++k) {
      U right[C];
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c)
        right[c] = load<U>(panel + k * b_stride + c * kLanes);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const uint32_t left = rows[r * a_stride + k];
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c)
          acc[r][c] = Cells::madd(acc[r][c], left, right[c]);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c)
        store(sums + r * out_stride + c * kLanes, acc[r][c]);
    }
  }
};

struct KeyRange {
  int64_t begin, end;
};

// kQueryBlock rows of one head in scratch, and what they see.
template <class Cells>
class QueryTile {
  static constexpr int kLanes = Cells::kLanes;
  using F = typename Cells::F;
  using Pack = PrefillPack<Cells>;
  using Product = CellProduct<Cells>;

 public:
  static constexpr int64_t kGroup = 32;  // rows whose logits exist at a time

  QueryTile(const PrefillQueries& queries, void* scratch)
      : layout(queries.head_dim), queries_(queries), cell_stride_(padded_depth(layout)) {
    float* memory = static_cast<float*>(scratch);
    const auto take = [&memory](int64_t count) {
      float* taken = memory;
      memory += count;
      return taken;
    };
    cells_ = reinterpret_cast<uint32_t*>(take(kQueryBlock * cell_stride_));
    turned_ = take(Cells::kCentred ? layout.width * kQueryBlock : 0);
    logits = take(kGroup * kKeyBlock);
    offset = take(kQueryBlock);
    row_max = take(kQueryBlock);
    row_sum = take(kQueryBlock * kLanes);
    sums = take(kKeyBlock);
    output = take(kQueryBlock * layout.width);
  }

  static size_t scratch_bytes(int64_t head_dim) {
    const BlockLayout<Cells> layout(head_dim);
    const int64_t rows =
        padded_depth(layout) + (Cells::kCentred ? 2 : 1) * layout.width + 3 + kLanes;
    return (kQueryBlock * rows + kGroup * kKeyBlock) * sizeof(float);
  }

  // Rows first_row and on of a head, zeros beyond the last row.
  void load_rows(int64_t head, int64_t first) {
    first_row = first;
    n_row = smaller(kQueryBlock, queries_.n_row - first);
    const RowsView rows{queries_.data + head * queries_.head_stride + first * queries_.row_stride,
                        ElementType::f32, n_row, queries_.head_dim, queries_.row_stride};
    constexpr float kLog2E = 1.44269504f;
    load_cells(rows, queries_.scale * kLog2E);
    if constexpr (Cells::kCentred) load_turned(rows, queries_.scale * kLog2E);
  }

  // Keys that row r of the tile sees.
  KeyRange sight(int64_t r) const {
    int64_t end = queries_.n_key;
    if (queries_.causal) end = smaller(end, larger(queries_.first_visible + first_row + r, 0));
    return {queries_.window > 0 ? larger(end - queries_.window, 0) : 0, end};
  }

  // Key blocks that any row sees.
  KeyRange blocks() const {
    return {sight(0).begin / kKeyBlock, (sight(n_row - 1).end + kKeyBlock - 1) / kKeyBlock};
  }

  // offset[r] = what the mean of the block's keys adds to every logit of row r.
  void multiply_mean(const uint32_t* block) const {
    if constexpr (Cells::kCentred) {
      const float* mean = reinterpret_cast<const float*>(block + layout.mean());
      constexpr int kVectors = kQueryBlock / kLanes;
      F acc[kVectors] = {};
      for (int64_t c = 0; c < queries_.head_dim; ++c) {
#pragma GCC unroll 16
        for (int i = 0; i < kVectors; ++i)
          acc[i] += mean[c] * load<F>(turned_ + c * kQueryBlock + i * kLanes);
      }
      for (int i = 0; i < kVectors; ++i)
        store(offset + i * kLanes, acc[i]);
    }
  }

  // logits [rows of the group][kKeyBlock], the columns of the panels that hold keys begin .. end.
  void multiply_keys(const uint32_t* block, int64_t group, KeyRange keys) const {
    for (int64_t c = keys.begin / kPanel * kPanel; c < keys.end; c += kPanel) {
      Product{cells_ + group * cell_stride_,
              cell_stride_,
              block + c * layout.depth,
              layout.depth,
              kPanel,
              logits + c,
              kKeyBlock,
              padded_rows(group)}
          .template run<false>(kPanel);
    }
  }

  // output rows of the group += the weights, as cells where the logits were, times values.
  void multiply_values(const uint32_t* block, int64_t group, KeyRange keys) const {
    const int64_t begin = keys.begin / (Cells::kPerCell * Cells::kDepthAlign) * Cells::kDepthAlign;
    const int64_t end = layout.align((keys.end + Cells::kPerCell - 1) / Cells::kPerCell);
    const uint32_t* values = block + layout.values();
    for (int64_t c = 0; c < layout.width; c += kPanel) {
      const int64_t n_col = smaller(kPanel, layout.width - c);
      Product{reinterpret_cast<const uint32_t*>(logits) + begin,
              kKeyBlock,
              values + begin * n_col,
              end - begin,
              n_col,
              output + group * layout.width + c,
              layout.width,
              padded_rows(group)}
          .template run<true>(n_col);
      values += n_col * kKeyBlock / Cells::kPerCell;
    }
  }

  BlockLayout<Cells> layout;
  int64_t first_row = 0;
  int64_t n_row = 0;
  float* logits;   // [kGroup][kKeyBlock]
  float* offset;   // [kQueryBlock]
  float* row_max;  // [kQueryBlock]
  float* row_sum;  // [kQueryBlock][kLanes], to be added up
  float* sums;     // [kKeyBlock]
  float* output;   // [kQueryBlock][layout.width]

 private:
  static int64_t padded_depth(const BlockLayout<Cells>& layout) {
    return (layout.depth + kLanes - 1) / kLanes * kLanes;
  }

  int64_t padded_rows(int64_t group) const {
    const int64_t left = smaller(kGroup, n_row - group);
    return (left + Product::kRowPad - 1) / Product::kRowPad * Product::kRowPad;
  }

  void load_cells(const RowsView& rows, float factor) const {
    for (int64_t r = 0; r < kQueryBlock; ++r) {
      for (int64_t c = 0; c < cell_stride_; c += kLanes) {
        F values[Cells::kPerCell];
        for (int i = 0; i < Cells::kPerCell; ++i) {
          const int64_t column = c * Cells::kPerCell + i * kLanes;
          const bool present = r < n_row && column < rows.n_col;
          values[i] = present ? Pack::load_row(rows, r, column) * factor : F{};
        }
        store(cells_ + r * cell_stride_ + c, Cells::to_cells(values));
      }
    }
  }

  // turned_ [layout.width][kQueryBlock]: unrounded, so that a row of it meets one number of a mean.
  void load_turned(const RowsView& rows, float factor) const {
    for (int64_t r = 0; r < kQueryBlock; r += kLanes) {
      for (int64_t c = 0; c < layout.width; c += kLanes) {
        F block[kLanes];
        for (int64_t i = 0; i < kLanes; ++i)
          block[i] = r + i < n_row ? Pack::load_row(rows, r + i, c) * factor : F{};
        Pack::transpose(block);
        for (int64_t i = 0; i < kLanes; ++i)
          store(turned_ + (c + i) * kQueryBlock + r, block[i]);
      }
    }
  }

  const PrefillQueries& queries_;
  int64_t cell_stride_;
  uint32_t* cells_;  // [kQueryBlock][cell_stride_]
  float* turned_;    // [layout.width][kQueryBlock]
};

}  // namespace
}  // namespace restkv::kernels
