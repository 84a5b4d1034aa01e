// Independent pieces of work over a few threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <system_error>
#include <thread>
#include <vector>

namespace restkv {

// Calls fn(i) once for every i in 0 .. n - 1, on up to n_threads threads, the calling one
// included; an idle thread takes the next i. Serial for n_threads <= 1.
// REQUIRES: fn throws nothing and may be called concurrently.
template <typename Fn>
void parallel_for(int n_threads, int64_t n, const Fn& fn) {
  const int64_t n_workers = std::min<int64_t>(n_threads, n);
  if (n_workers <= 1) {
    for (int64_t i = 0; i < n; ++i)
      fn(i);
    return;
  }
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    for (int64_t i = next.fetch_add(1); i < n; i = next.fetch_add(1))
      fn(i);
  };
  std::vector<std::jthread> helpers;
  helpers.reserve(static_cast<size_t>(n_workers - 1));
  try {
    for (int64_t t = 1; t < n_workers; ++t)
      helpers.emplace_back(work);
  } catch (const std::system_error&) {
    // The system grants no more threads: those that started, and this one, do all the work.
  }
  work();
}

}  // namespace restkv
