// ggml's threads at other work than graphs.
#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <vector>

#include "sequences.h"

namespace restkv {
namespace {

using test::make_compute;

void expect_each_once(Workers& workers, int64_t n) {
  std::vector<std::atomic<int>> visits(n);
  workers.for_each(n, [&](int64_t i, int thread) {
    EXPECT_TRUE(0 <= thread && thread < workers.n_threads());
    ++visits[i];
  });
  for (int64_t i = 0; i < n; ++i)
    ASSERT_EQ(visits[i].load(), 1);
}

TEST(Workers, AreThereInsideAndOutsideOfAMeeting) {
  for (const int n_threads : {1, 2, 3}) {
    const auto compute = make_compute(nullptr, n_threads);
    Workers& workers = compute->workers();
    EXPECT_EQ(workers.n_threads(), n_threads);
    expect_each_once(workers, 20);
    bool met = false;
    compute->together([&] {
      met = true;
      for (int64_t n : {0, 1, 2, 50})
        expect_each_once(workers, n);
      compute->together([&] { expect_each_once(workers, 9); });
    });
    EXPECT_TRUE(met);
  }
}

TEST(Workers, HandOnWhatWasThrown) {
  const auto compute = make_compute(nullptr, 2);
  const auto work = [](int64_t i, int) {
    if (i == 3) throw std::bad_alloc();
  };
  EXPECT_THROW(compute->workers().for_each(10, work), std::bad_alloc);
  EXPECT_THROW(compute->together([] { throw std::bad_alloc(); }), std::bad_alloc);
  EXPECT_THROW(compute->together([&] { compute->workers().for_each(10, work); }), std::bad_alloc);
  expect_each_once(compute->workers(), 10);
}

TEST(Workers, FinishWhatAGraphWouldNot) {
  const std::atomic<bool> cancel{true};
  const auto compute = make_compute(&cancel, 2);
  compute->together([&] { expect_each_once(compute->workers(), 30); });
}

}  // namespace
}  // namespace restkv
