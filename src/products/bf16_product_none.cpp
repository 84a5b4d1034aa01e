// A build without oneDNN.
#include "products/bf16_product.h"

namespace restkv {

struct Bf16Product::Parts {};

bool has_bf16_product() {
  return false;
}

Bf16Product::Bf16Product(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
Bf16Product::~Bf16Product() = default;

Result<std::shared_ptr<const Bf16Product>> Bf16Product::get(int64_t, int64_t, int64_t) {
  return Status::runtime("this build has no oneDNN");
}

size_t Bf16Product::panel_bytes() const {
  return 0;
}
size_t Bf16Product::scratch_bytes() const {
  return 0;
}
int64_t Bf16Product::slice_rows() const {
  return 1;
}
bool Bf16Product::pack(const uint16_t*, int64_t, int64_t, std::byte*) const noexcept {
  return false;
}
bool Bf16Product::multiply(const uint16_t*, const std::byte*, float*, std::byte*) const noexcept {
  return false;
}

}  // namespace restkv
