// Packed key blocks and query tiles of the prefill kernels; see prefill_cells_simd.h.
//
// A block holds, in cells: keys [2 panels][depth][kPanel], depth = padded head_dim / kPerCell, a
// multiple of the cells' kDepthAlign; values [panel of at most kPanel columns][kKeyBlock /
// kPerCell][its columns]; and, where keys are centred, their mean as float [padded head_dim].
// Panels keep what a register block walks through contiguous and inside the first-level cache.
#pragma once

#include "kernels/prefill_attention.h"
#include "kernels/prefill_cells_simd.h"

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

inline constexpr int64_t kPanel = 64;
inline constexpr int64_t kWidthAlign = 16;  // of a padded head_dim

[[gnu::always_inline]] inline int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

[[gnu::always_inline]] inline int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

template <class Cells>
struct BlockLayout {
  int64_t width;  // padded head_dim
  int64_t depth;  // cells of a row of keys

  explicit BlockLayout(int64_t head_dim)
      : width((head_dim + kWidthAlign - 1) / kWidthAlign * kWidthAlign),
        depth(align(width / Cells::kPerCell)) {}

  int64_t cells() const { return mean() + (Cells::kCentred ? width : 0); }
  int64_t values() const { return kKeyBlock * depth; }
  int64_t mean() const { return values() + kKeyBlock / Cells::kPerCell * width; }

  static constexpr int64_t align(int64_t n_cell) {
    return (n_cell + Cells::kDepthAlign - 1) / Cells::kDepthAlign * Cells::kDepthAlign;
  }
};

template <class Cells>
class PrefillPack {
  static constexpr int kLanes = Cells::kLanes;
  static constexpr int kPerCell = Cells::kPerCell;
  using F = typename Cells::F;
  using U = typename Cells::U;
  using Layout = BlockLayout<Cells>;

 public:
  static size_t packed_bytes(int64_t n_key, int64_t head_dim) {
    return (n_key + kKeyBlock - 1) / kKeyBlock * Layout(head_dim).cells() * sizeof(uint32_t);
  }

  static void pack(const PackKeys& args, int64_t first, int64_t count) {
    const Layout layout(args.keys.n_col);
    for (int64_t b = first; b < first + count; ++b) {
      uint32_t* block = static_cast<uint32_t*>(args.packed) + b * layout.cells();
      const int64_t n_row = smaller(kKeyBlock, args.n_key - b * kKeyBlock);
      float* mean = nullptr;
      if constexpr (Cells::kCentred) {
        mean = reinterpret_cast<float*>(block + layout.mean());
        average(args.keys, b * kKeyBlock, n_row, layout.width, mean);
      }
      pack_keys(args.keys, b * kKeyBlock, n_row, mean, layout, block);
      pack_values(args.values, b * kKeyBlock, n_row, layout, block + layout.values());
    }
  }

  // kLanes floats of a row from column c on, zeros beyond its end.
  [[gnu::always_inline]] static inline F load_row(const RowsView& rows, int64_t row, int64_t c) {
    const int64_t offset = row * rows.row_stride + c;
    const int64_t left = rows.n_col - c;
    if (rows.type == ElementType::f16) {
      const uint16_t* data = static_cast<const uint16_t*>(rows.data) + offset;
      if (left >= kLanes) return load_half<kLanes>(data);
      uint16_t padded[kLanes] = {};
      for (int64_t i = 0; i < left; ++i)
        padded[i] = data[i];
      return load_half<kLanes>(padded);
    }
    const float* data = static_cast<const float*>(rows.data) + offset;
    if (left >= kLanes) return load<F>(data);
    float padded[kLanes] = {};
    for (int64_t i = 0; i < left; ++i)
      padded[i] = data[i];
    return load<F>(padded);
  }

  // Columns c .. c + kLanes of kLanes registers that hold rows.
  [[gnu::always_inline]] static inline void transpose(F (&block)[kLanes]) {
    Tile<kLanes>::transpose(block);
  }

 private:
  static void average(const RowsView& rows, int64_t first, int64_t n_row, int64_t width,
                      float* mean) {
    const float share = 1.0f / static_cast<float>(n_row);
    for (int64_t c = 0; c < width; c += kLanes) {
      F sum{};
      for (int64_t r = 0; r < n_row; ++r)
        sum += load_row(rows, first + r, c);
      store(mean + c, sum * share);
    }
  }

  // Cells c .. c + kLanes of a row, less the mean.
  [[gnu::always_inline]] static inline U row_cells(const RowsView& rows, int64_t row, int64_t c,
                                                   const float* mean) {
    F values[kPerCell];
    for (int i = 0; i < kPerCell; ++i) {
      const int64_t column = c * kPerCell + i * kLanes;
      values[i] = column < rows.n_col ? load_row(rows, row, column) : F{};
      if (mean != nullptr && column < rows.n_col) values[i] -= load<F>(mean + column);
    }
    return Cells::to_cells(values);
  }

  static void pack_keys(const RowsView& rows, int64_t first, int64_t n_row, const float* mean,
                        const Layout& layout, uint32_t* out) {
    for (int64_t key = 0; key < kKeyBlock; key += kLanes) {
      uint32_t* panel = out + key / kPanel * kPanel * layout.depth + key % kPanel;
      for (int64_t c = 0; c < layout.depth; c += kLanes) {
        F block[kLanes];
        for (int64_t i = 0; i < kLanes; ++i) {
          block[i] = key + i < n_row ? (F)row_cells(rows, first + key + i, c, mean) : F{};
        }
        transpose(block);
        for (int64_t i = 0; i < smaller(kLanes, layout.depth - c); ++i)
          store(panel + (c + i) * kPanel, block[i]);
      }
    }
  }

  static void pack_values(const RowsView& rows, int64_t first, int64_t n_row, const Layout& layout,
                          uint32_t* out) {
    for (int64_t begin = 0; begin < layout.width; begin += kPanel) {
      const int64_t n_col = smaller(kPanel, layout.width - begin);
      for (int64_t row = 0; row < kKeyBlock; row += kPerCell) {
        for (int64_t c = begin; c < begin + n_col; c += kLanes, out += kLanes) {
          F values[kPerCell];
          for (int i = 0; i < kPerCell; ++i) {
            const bool present = row + i < n_row && c < rows.n_col;
            values[i] = present ? load_row(rows, first + row + i, c) : F{};
          }
          store(out, Cells::pair_cells(values));
        }
      }
    }
  }
};

}  // namespace
}  // namespace restkv::kernels
