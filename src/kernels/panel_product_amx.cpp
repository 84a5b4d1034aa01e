// Cells of 32 x 32 sums, two tiles either way: four loads feed four products, which take twice as
// long. Depth comes in pieces, so that what one cell reads of a and what all cells of a strip read
// again fits a core's first cache.
#include <cstring>

#include "kernels/amx_tiles.h"
#include "kernels/pair_panel.h"
#include "kernels/panel_product.h"

namespace restkv::kernels {
namespace {

constexpr int64_t kTile = 16;       // rows, columns, pairs of depth
constexpr int64_t kDepthStep = 32;  // numbers of depth that a tile holds
constexpr int64_t kStepBytes = kDepthStep * sizeof(uint16_t);
constexpr int64_t kDepth = 512;                                   // at once
constexpr int64_t kPairBytes = kPairRows * 2 * sizeof(uint16_t);  // of a pair of depth in a panel

// Where a cell reads and writes, and how far.
struct Cell {
  const uint16_t* a;
  int64_t a_stride;   // bytes between rows
  int64_t a_step;     // bytes to the next columns of depth
  const uint16_t* b;  // of the cell's first column
  float* c;
  int64_t c_stride;  // bytes
  int64_t n_step;
  bool is_first;  // nothing has been added up yet
};

// Tiles: sums 0 to 3, rows of a 4 and 5, columns of the panel 6 and 7.
template <int Rows, int Columns>
void add_cell(const Cell& cell) {
  float* const second = cell.c + kTile * cell.c_stride / static_cast<int64_t>(sizeof(float));
  if (cell.is_first) {
    AmxTiles::zero<0>();
    if constexpr (Columns > 1) AmxTiles::zero<1>();
    if constexpr (Rows > 1) AmxTiles::zero<2>();
    if constexpr (Rows > 1 && Columns > 1) AmxTiles::zero<3>();
  } else {
    AmxTiles::load<0>(cell.c, cell.c_stride);
    if constexpr (Columns > 1) AmxTiles::load<1>(cell.c + kTile, cell.c_stride);
    if constexpr (Rows > 1) AmxTiles::load<2>(second, cell.c_stride);
    if constexpr (Rows > 1 && Columns > 1) AmxTiles::load<3>(second + kTile, cell.c_stride);
  }
  const auto* a = reinterpret_cast<const char*>(cell.a);
  const auto* b = reinterpret_cast<const char*>(cell.b);
  for (int64_t step = 0; step < cell.n_step; ++step) {
    AmxTiles::load<6>(b, kPairBytes);
    AmxTiles::load<4>(a, cell.a_stride);
    AmxTiles::madd<0, 4, 6>();
    if constexpr (Columns > 1) AmxTiles::load<7>(b + 64, kPairBytes);
    if constexpr (Columns > 1) AmxTiles::madd<1, 4, 7>();
    if constexpr (Rows > 1) AmxTiles::load<5>(a + kTile * cell.a_stride, cell.a_stride);
    if constexpr (Rows > 1) AmxTiles::madd<2, 5, 6>();
    if constexpr (Rows > 1 && Columns > 1) AmxTiles::madd<3, 5, 7>();
    a += cell.a_step;
    b += kTile * kPairBytes;
  }
  AmxTiles::store<0>(cell.c, cell.c_stride);
  if constexpr (Columns > 1) AmxTiles::store<1>(cell.c + kTile, cell.c_stride);
  if constexpr (Rows > 1) AmxTiles::store<2>(second, cell.c_stride);
  if constexpr (Rows > 1 && Columns > 1) AmxTiles::store<3>(second + kTile, cell.c_stride);
}

using AddCell = void (*)(const Cell& cell);
constexpr AddCell kAddCell[2][2] = {{add_cell<1, 1>, add_cell<1, 2>},
                                    {add_cell<2, 1>, add_cell<2, 2>}};

class Product {
 public:
  Product(const uint16_t* panel, int64_t n, int64_t k, float* c)
      : panel_(panel), n_(n), k_(k), c_(c) {}

  // Rows first .. first + n_row of a (16 or 32), columns of depth from `depth` on.
  void add_rows(const uint16_t* a, int64_t first, int64_t n_row, int64_t depth) {
    const int64_t n_depth = k_ - depth < kDepth ? k_ - depth : kDepth;
    Cell cell{.a = a + first * k_ + depth,
              .a_stride = k_ * static_cast<int64_t>(sizeof(uint16_t)),
              .a_step = kStepBytes,
              .b = nullptr,
              .c = nullptr,
              .c_stride = n_ * static_cast<int64_t>(sizeof(float)),
              .n_step = n_depth / kDepthStep,
              .is_first = depth == 0};
    if (cell.a_stride % kConflict == 0) copy_rows(n_row, n_depth, &cell);
    for (int64_t column = 0; column < n_; column += 2 * kTile) {
      const int64_t block = column / kPairRows, inside = column % kPairRows;
      cell.b = panel_ + block * kPairRows * k_ + depth * kPairRows + inside * 2;
      cell.c = c_ + first * n_ + column;
      kAddCell[n_row > kTile][n_ - column > kTile](cell);
    }
  }

 private:
  // Rows so far apart would push one another out of the first cache, whose 64 sets are chosen by
  // the address modulo 4 KiB.
  static constexpr int64_t kConflict = 1024;

  // Tile behind tile, as the cells read them.
  void copy_rows(int64_t n_row, int64_t n_depth, Cell* cell) {
    uint16_t* to = rows_;
    for (int64_t column = 0; column < n_depth; column += kDepthStep) {
      for (int64_t i = 0; i < n_row; ++i, to += kDepthStep)
        std::memcpy(to, cell->a + i * k_ + column, kStepBytes);
    }
    cell->a = rows_;
    cell->a_stride = kStepBytes;
    cell->a_step = n_row * kStepBytes;
  }

  const uint16_t* panel_;
  int64_t n_, k_;
  float* c_;
  alignas(64) uint16_t rows_[2 * kTile * kDepth];
};

void multiply(const uint16_t* a, int64_t m, const uint16_t* panel, int64_t n, int64_t k, float* c) {
  const AmxTiles tiles;
  Product product(panel, n, k, c);
  for (int64_t depth = 0; depth < k; depth += kDepth) {
    for (int64_t row = 0; row < m; row += 2 * kTile)
      product.add_rows(a, row, m - row < 2 * kTile ? kTile : 2 * kTile, depth);
  }
}

}  // namespace

const PanelProductKernels kPanelProductAmxBf16 = {multiply};

}  // namespace restkv::kernels
