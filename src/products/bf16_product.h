// Products of bf16 matrices with float sums, c = a b^T, by oneDNN. b is a panel of weights, packed
// once into the layout that oneDNN multiplies fastest.
//
// Thread safety: everything may be called concurrently. A call runs on the calling thread alone:
// threads of ggml's each multiply rows of their own, since a pool inside a pool would stall.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "restkv/status.h"

namespace restkv {

// Whether this build has oneDNN and this CPU multiplies bf16.
bool has_bf16_product();

// The product of one shape: m rows of a [m][k], n rows of b [n][k].
class Bf16Product {
 public:
  // Code is generated when a shape is first asked for and kept for the life of the process.
  // REQUIRES: has_bf16_product(). Errors: runtime (oneDNN refuses), capacity.
  static Result<std::shared_ptr<const Bf16Product>> get(int64_t m, int64_t n, int64_t k);

  // Of a packed panel: the same for every m.
  size_t panel_bytes() const;
  // What a call needs at `scratch`, aligned to 64 bytes.
  size_t scratch_bytes() const;

  // Rows of b that can be packed apart from the others: all n, or a number that divides the panel.
  int64_t slice_rows() const;
  // Rows first .. first + n_row of b, which begin at `rows`, into their place in a panel. REQUIRES:
  // a whole slice, or what is left of the last one. False: oneDNN failed, for lack of memory.
  bool pack(const uint16_t* rows, int64_t first, int64_t n_row, std::byte* panel) const noexcept;
  // c [m][n]. False: as above.
  bool multiply(const uint16_t* a, const std::byte* panel, float* c,
                std::byte* scratch) const noexcept;

  struct Parts;
  explicit Bf16Product(std::unique_ptr<const Parts> parts);
  ~Bf16Product();

 private:
  std::unique_ptr<const Parts> parts_;
};

}  // namespace restkv
