#include "core/workers.h"

#include <limits>
#include <thread>

namespace restkv {
namespace {

constexpr uint32_t kDismissed = std::numeric_limits<uint32_t>::max();
// A fraction of a millisecond: longer than what a leader does alone between two jobs, shorter than
// anyone would miss. Waking a sleeper takes tens of microseconds.
constexpr int kSpins = 8192;
constexpr size_t kMaxKept = size_t{2} << 20;  // floats for a thread

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

float* Workers::memory(size_t n_float) {
  const size_t n = n_float * static_cast<size_t>(n_threads());
  if (n > n_memory_) {
    memory_.reset();
    n_memory_ = 0;
    memory_ = std::make_unique_for_overwrite<float[]>(n);
    n_memory_ = n;
  }
  return memory_.get();
}

void Workers::trim() {
  if (n_memory_ / static_cast<size_t>(n_threads()) <= kMaxKept) return;
  memory_.reset();
  n_memory_ = 0;
}

void Alone::for_each(int64_t n, WorkRef work) {
  for (int64_t i = 0; i < n; ++i)
    work(i, 0);
}

void Crew::Job::run(int thread) {
  try {
    for (int64_t i = next.fetch_add(1); i < n; i = next.fetch_add(1))
      work(i, thread);
  } catch (...) {
    if (!failed.exchange(true)) failure = std::current_exception();
    next = n;
  }
}

void Crew::for_each(int64_t n, WorkRef work) {
  if (n_threads_ <= 1 || n <= 1) return Alone().for_each(n, work);
  Job job{work, n};
  job_ = &job;
  ++call_;
  call_.notify_all();
  job.run(0);
  // A follower counts itself in before it looks at the call again, and this reads the count after
  // the call has changed: one of the two sees the other.
  ++call_;
  for (int i = 0; n_inside_.load() != 0; ++i)
    i < kSpins ? pause_briefly() : std::this_thread::yield();
  if (job.failure) std::rethrow_exception(job.failure);
}

void Crew::dismiss() {
  call_ = kDismissed;
  call_.notify_all();
}

void Crew::follow(int thread) {
  uint32_t seen = 0;
  for (;;) {
    const uint32_t call = await_change(seen);
    if (call == kDismissed) return;
    if (call % 2 == 1) {
      ++n_inside_;
      if (call_.load() == call) job_->run(thread);
      --n_inside_;
    }
    seen = call;
  }
}

uint32_t Crew::await_change(uint32_t seen) const {
  for (int i = 0; i < kSpins; ++i) {
    const uint32_t call = call_.load(std::memory_order_acquire);
    if (call != seen) return call;
    pause_briefly();
  }
  for (;;) {
    const uint32_t call = call_.load(std::memory_order_acquire);
    if (call != seen) return call;
    call_.wait(seen);
  }
}

}  // namespace restkv
