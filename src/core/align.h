// Sizes and addresses that begin where a cache line does.
#pragma once

#include <cstddef>
#include <cstdint>

namespace restkv {

constexpr size_t kCacheLine = 64;

constexpr size_t align_up(size_t bytes) {
  return (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
}

// The first whole line of memory at `p`, which needs kCacheLine - 1 bytes more than are used.
inline void* align_up(const void* p) {
  return reinterpret_cast<void*>(align_up(reinterpret_cast<uintptr_t>(p)));
}

}  // namespace restkv
