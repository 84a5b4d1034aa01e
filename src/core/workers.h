// Independent pieces of work over threads that wait for it. Starting a thread takes longer than
// many a piece of an eviction, so nothing is started here: followers are lent (by the threads that
// run ggml's graphs, in the engine) and stay until they are dismissed.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>

namespace restkv {

// A borrowed callable fn(i, thread).
class WorkRef {
 public:
  template <typename Fn>
  WorkRef(const Fn& fn)  // NOLINT(google-explicit-constructor)
      : fn_(&fn), call_([](const void* f, int64_t i, int thread) {
          (*static_cast<const Fn*>(f))(i, thread);
        }) {}
  void operator()(int64_t i, int thread) const { call_(fn_, i, thread); }

 private:
  const void* fn_;
  void (*call_)(const void*, int64_t, int);
};

class Workers {
 public:
  virtual ~Workers() = default;
  virtual int n_threads() const = 0;
  // Calls work(i, thread) once for every i in 0 .. n - 1, with 0 <= thread < n_threads() and the
  // calling thread as 0; an idle thread takes the next i. The first exception that work throws (no
  // memory, say) stops the handing out and is thrown again here, once all threads are done.
  // REQUIRES: work may be called concurrently with different threads; not called from inside work.
  virtual void for_each(int64_t n, WorkRef work) = 0;

  // n_float floats for every thread, one thread's behind the other's, unspecified and valid until
  // the next call. What every layer asks for again is cheaper kept than given back to the system,
  // which would have to clear it; trim() gives back what is large. Of the calling thread alone.
  float* memory(size_t n_float);
  void trim();

 private:
  size_t n_memory_ = 0;
  std::unique_ptr<float[]> memory_;
};

// The calling thread alone.
class Alone final : public Workers {
 public:
  int n_threads() const override { return 1; }
  void for_each(int64_t n, WorkRef work) override;
};

// One leader and up to n_threads - 1 followers. It works with any number of them: one that comes
// late, or never, costs time alone.
class Crew final : public Workers {
 public:
  explicit Crew(int n_threads) : n_threads_(n_threads) {}
  int n_threads() const override { return n_threads_; }

  // Of the leader.
  void for_each(int64_t n, WorkRef work) override;
  // Sends the followers home, those that come later as well. No for_each() afterwards.
  void dismiss();

  // Of a follower, 1 <= thread < n_threads: works until it is dismissed.
  void follow(int thread);

 private:
  struct Job {
    WorkRef work;
    int64_t n;
    std::atomic<int64_t> next{0};
    std::atomic<bool> failed{false};
    std::exception_ptr failure{};

    void run(int thread);
  };

  uint32_t await_change(uint32_t seen) const;

  int n_threads_;
  Job* job_ = nullptr;
  std::atomic<uint32_t> call_{0};  // odd: job_ is open; kDismissed
  std::atomic<int> n_inside_{0};   // followers that may look at job_
};

}  // namespace restkv
