// Independent pieces of work over a few threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace restkv {

// Calls fn(i) once for every i in 0 .. n - 1, on up to n_threads threads, the calling one
// included; an idle thread takes the next i. Serial for n_threads <= 1. The first exception that fn
// throws (no memory, say) stops the handing out and is thrown again here, once all threads are
// done. REQUIRES: fn may be called concurrently.
template <typename Fn>
void parallel_for(int n_threads, int64_t n, const Fn& fn) {
  const int64_t n_workers = std::min<int64_t>(n_threads, n);
  if (n_workers <= 1) {
    for (int64_t i = 0; i < n; ++i)
      fn(i);
    return;
  }
  std::atomic<int64_t> next{0};
  std::exception_ptr failure;
  std::once_flag first_failure;
  const auto work = [&] {
    try {
      for (int64_t i = next.fetch_add(1); i < n; i = next.fetch_add(1))
        fn(i);
    } catch (...) {
      std::call_once(first_failure, [&] { failure = std::current_exception(); });
      next = n;
    }
  };
  {
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
  if (failure) std::rethrow_exception(failure);
}

}  // namespace restkv
