// Memory of K/V storage, counted: every byte of a cache or of a layer's scratch comes from here, so
// that "how much did K/V take at most" is a reading and not an estimate.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "restkv/status.h"

namespace restkv {

// Bytes of K/V storage now and at most. Thread-safe.
class KvMeter {
 public:
  void add(size_t bytes);
  void remove(size_t bytes) { current_ -= bytes; }
  size_t current_bytes() const { return current_; }
  size_t peak_bytes() const { return peak_; }

 private:
  std::atomic<size_t> current_{0};
  std::atomic<size_t> peak_{0};
};

// Anonymous pages of its own: what is freed goes back to the system at once, which a heap does not
// promise. Zero-filled. Movable.
class KvBuffer {
 public:
  KvBuffer() = default;
  ~KvBuffer() { reset(); }
  KvBuffer(KvBuffer&& other) noexcept { swap(other); }
  KvBuffer& operator=(KvBuffer&& other) noexcept {
    reset();
    swap(other);
    return *this;
  }

  // Error: capacity, when the system has no such memory.
  static Result<KvBuffer> allocate(size_t bytes, std::shared_ptr<KvMeter> meter);

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  void reset();
  void swap(KvBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(meter_, other.meter_);
  }

  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
  std::shared_ptr<KvMeter> meter_;
};

}  // namespace restkv
