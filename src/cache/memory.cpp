#include "cache/memory.h"

#include <sys/mman.h>

#include <string>

namespace restkv {

void KvMeter::add(size_t bytes) {
  const size_t now = current_ += bytes;
  size_t peak = peak_;
  while (now > peak && !peak_.compare_exchange_weak(peak, now)) {
  }
}

Result<KvBuffer> KvBuffer::allocate(size_t bytes, std::shared_ptr<KvMeter> meter) {
  KvBuffer buffer;
  if (bytes == 0) return buffer;
  void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) {
    return Status::capacity("no memory for " + std::to_string(bytes) + " bytes of K/V storage");
  }
  buffer.data_ = static_cast<std::byte*>(pages);
  buffer.bytes_ = bytes;
  buffer.meter_ = std::move(meter);
  buffer.meter_->add(bytes);
  return buffer;
}

void KvBuffer::reset() {
  if (data_ == nullptr) return;
  munmap(data_, bytes_);
  meter_->remove(bytes_);
  data_ = nullptr;
  bytes_ = 0;
  meter_.reset();
}

}  // namespace restkv
