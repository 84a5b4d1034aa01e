// What the thread sanitizer cannot see: order that a library's barriers give, as the library is not
// built with it. Nothing in any other build.
#pragma once

#if defined(__SANITIZE_THREAD__)
#define RESTKV_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RESTKV_THREAD_SANITIZER 1
#endif
#endif

#ifdef RESTKV_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

namespace restkv {

// All that this thread did so far comes before whatever follows barrier_passed() in another thread.
inline void before_barrier([[maybe_unused]] void* barrier) {
#ifdef RESTKV_THREAD_SANITIZER
  __tsan_release(barrier);
#endif
}

inline void barrier_passed([[maybe_unused]] void* barrier) {
#ifdef RESTKV_THREAD_SANITIZER
  __tsan_acquire(barrier);
#endif
}

}  // namespace restkv
