// Borrowed, row-major views of tensors. Shapes run outer to inner and every head axis is named
// where a view is used.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace restkv {

// A contiguous row-major tensor of rank R. Owns nothing.
template <typename T, int R>
struct TensorView {
  T* data = nullptr;
  std::array<int64_t, R> shape{};

  bool empty() const { return data == nullptr; }
  int64_t size() const {
    int64_t n = 1;
    for (int64_t s : shape)
      n *= s;
    return n;
  }
  // Pointer to the start of the innermost row at the given outer indices: t.row(i, j, ...).
  template <typename... Index>
  T* row(Index... index) const {
    static_assert(sizeof...(Index) == R - 1, "one index for each outer axis");
    int64_t offset = 0;
    int axis = 0;
    ((offset = offset * shape[axis++] + static_cast<int64_t>(index)), ...);
    return data + offset * shape[R - 1];
  }
};

enum class ElementType : uint8_t { f32, f16 };

inline size_t element_size(ElementType type) {
  return type == ElementType::f32 ? 4 : 2;
}

// Keys or values of one cached head: [n_row][n_col], in the cache's own element type so that a
// policy never needs a second copy of the cache.
struct RowsView {
  const void* data = nullptr;
  ElementType type = ElementType::f32;
  int64_t n_row = 0;
  int64_t n_col = 0;
  int64_t row_stride = 0;  // elements between the starts of two rows, >= n_col

  bool empty() const { return data == nullptr; }
};

// Rows first .. first + count of `rows` as float into out [count][n_col].
// REQUIRES: first + count <= rows.n_row.
void load_rows(const RowsView& rows, int64_t first, int64_t count, float* out);

}  // namespace restkv
