#include <gtest/gtest.h>

#include <new>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>
#include <vector>

#include "core/half.h"
#include "core/likeliest.h"
#include "core/parallel.h"
#include "core/pooling.h"
#include "core/topk.h"
#include "core/workers.h"
#include "restkv/tensor_view.h"
#include "tests/random.h"

namespace restkv {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Half, EveryValueSurvivesTheRoundTrip) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const float value = half_to_float(static_cast<uint16_t>(half));
    if (std::isnan(value)) continue;
    EXPECT_EQ(float_to_half(value), half);
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(half_to_float(float_to_half(2049.0f)), 2048.0f);
  EXPECT_EQ(half_to_float(float_to_half(2051.0f)), 2052.0f);
  EXPECT_EQ(half_to_float(float_to_half(1e6f)), kInf);
  EXPECT_EQ(half_to_float(float_to_half(0x1p-25f)), 0.0f);
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(kNan))));
}

TEST(LoadRows, ConvertsEveryHalfAsThePlainLoopDoes) {
  std::vector<uint16_t> halves(0x10000);
  std::iota(halves.begin(), halves.end(), 0);
  const RowsView rows{halves.data(), ElementType::f16, 1, 0x10000, 0x10000};
  std::vector<float> loaded(halves.size());
  load_rows(rows, 0, 1, loaded.data());
  for (size_t i = 0; i < halves.size(); ++i) {
    const float expected = half_to_float(halves[i]);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(loaded[i]));
    } else {
      EXPECT_EQ(std::bit_cast<uint32_t>(loaded[i]), std::bit_cast<uint32_t>(expected));
    }
  }
}

TEST(LoadRows, HonoursStrideAndRange) {
  const std::vector<float> values = random_floats(5 * 7, 1);
  const RowsView rows{values.data(), ElementType::f32, 5, 3, 7};
  std::vector<float> loaded(2 * 3);
  load_rows(rows, 2, 2, loaded.data());
  for (int r = 0; r < 2; ++r) {
    for (int c = 0; c < 3; ++c)
      EXPECT_EQ(loaded[r * 3 + c], values[(r + 2) * 7 + c]);
  }
}

std::vector<int32_t> top_k_by_sorting(std::vector<float> scores, int64_t k) {
  for (float& score : scores)
    score = std::isnan(score) ? kInf : score;
  std::vector<int32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return scores[a] > scores[b]; });
  order.resize(k);
  std::sort(order.begin(), order.end());
  return order;
}

// The first of the greatest, in whole lanes and behind them.
TEST(Likeliest, IsTheFirstOfTheGreatest) {
  for (const size_t n : {1, 5, 15, 16, 17, 100}) {
    for (size_t top = 0; top < n; ++top) {
      std::vector<float> logits(n, -2.0f);
      logits[top] = -1.0f;
      EXPECT_EQ(likeliest(logits), static_cast<int32_t>(top));
      logits[n - 1] = -1.0f;
      EXPECT_EQ(likeliest(logits), static_cast<int32_t>(top));
    }
    EXPECT_EQ(likeliest(std::vector<float>(n, 3.0f)), 0);
  }
}

TEST(TopK, EqualsAStableSort) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    std::vector<float> scores = random_floats(1 + seed, seed);
    // Few distinct values, so that ties are the normal case.
    if (seed % 2 == 0) {
      for (float& score : scores)
        score = std::round(score);
    }
    if (seed % 5 == 0) scores[seed / 2] = kNan;
    if (seed % 7 == 0) scores[seed / 3] = -kInf;
    for (int64_t k :
         {int64_t{0}, int64_t{1}, int64_t(seed / 2), int64_t(seed), int64_t(seed + 1)}) {
      EXPECT_EQ(top_k(scores, k), top_k_by_sorting(scores, k)) << "seed " << seed << " k " << k;
    }
  }
}

TEST(TopK, TiesGoToTheLowerPosition) {
  EXPECT_EQ(top_k(std::vector<float>{1, 2, 2, 2, 1}, 2), (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(top_k(std::vector<float>{0.0f, -0.0f, 0.0f}, 2), (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(top_k(std::vector<float>{1, kInf, kNan}, 1), (std::vector<int32_t>{1}));
  EXPECT_EQ(top_k(std::vector<float>{1, kNan, kInf}, 1), (std::vector<int32_t>{1}));
}

TEST(TopK, ClampsK) {
  EXPECT_TRUE(top_k({}, 3).empty());
  EXPECT_TRUE(top_k(std::vector<float>{1}, -1).empty());
  EXPECT_EQ(top_k(std::vector<float>{1, 2}, 9), (std::vector<int32_t>{0, 1}));
}

enum class Pool { average, maximum, box };

float pool_at(const std::vector<float>& in, Pool kind, int64_t kernel, int64_t shift, int64_t j) {
  const int64_t n = static_cast<int64_t>(in.size());
  double sum = 0.0;
  float largest = -kInf;
  for (int64_t i = 0; i < kernel; ++i) {
    const int64_t at = j - kernel / 2 + shift + i;
    const bool inside = at >= 0 && at < n;
    if (kind == Pool::box) sum += in[std::clamp<int64_t>(at, 0, n - 1)];
    if (kind != Pool::box && inside) sum += in[at];
    if (inside) largest = std::max(largest, in[at]);
  }
  return kind == Pool::maximum ? largest : static_cast<float>(sum / static_cast<double>(kernel));
}

TEST(Pooling, EqualsPlainLoops) {
  for (int64_t n : {1, 2, 3, 7, 64, 100}) {
    const std::vector<float> in = random_floats(n, static_cast<uint32_t>(n));
    std::vector<float> out(in.size());
    for (int64_t kernel : {1, 3, 5, 7, 21, 63, 65, 201}) {
      average_pool(in, kernel, out);
      for (int64_t j = 0; j < n; ++j) {
        EXPECT_NEAR(out[j], pool_at(in, Pool::average, kernel, 0, j), 1e-6);
      }
      maximum_pool(in, kernel, out);
      for (int64_t j = 0; j < n; ++j) {
        EXPECT_EQ(out[j], pool_at(in, Pool::maximum, kernel, 0, j));
      }
      for (int64_t shift : {0, 1, -1, 5, -5, 40, -40, 300, -300}) {
        shifted_box(in, kernel, shift, out);
        for (int64_t j = 0; j < n; ++j) {
          EXPECT_NEAR(out[j], pool_at(in, Pool::box, kernel, shift, j), 1e-6)
              << n << " " << kernel << " " << shift << " " << j;
        }
      }
    }
  }
}

TEST(Pooling, SmallNeighboursSurviveAHugeScore) {
  std::vector<float> in(100, 1e-12f);
  in[3] = 1e12f;
  std::vector<float> out(in.size());
  average_pool(in, 5, out);
  EXPECT_FLOAT_EQ(out[50], 1e-12f);
  shifted_box(in, 5, 1, out);
  EXPECT_FLOAT_EQ(out[50], 1e-12f);
}

TEST(Pooling, AnAbsurdKernelIsHarmless) {
  const std::vector<float> in = {1, 2, 3};
  std::vector<float> out(3);
  shifted_box(in, (int64_t{1} << 41) + 1, -(int64_t{1} << 40), out);
  for (float value : out)
    EXPECT_NEAR(value, 1.0f, 1e-6);
  average_pool(in, (int64_t{1} << 41) + 1, out);
  for (float value : out)
    EXPECT_NEAR(value, 0.0f, 1e-6);
}

TEST(ParallelFor, VisitsEachIndexOnce) {
  for (int n_threads : {0, 1, 2, 5}) {
    std::vector<std::atomic<int>> visits(137);
    parallel_for(n_threads, 137, [&](int64_t i) { visits[i].fetch_add(1); });
    for (const auto& count : visits)
      EXPECT_EQ(count.load(), 1);
  }
  parallel_for(4, 0, [](int64_t) { FAIL(); });
}

TEST(Parallel, ThrowsWhatAWorkerThrewOnceAllAreDone) {
  for (const int n_threads : {1, 3}) {
    std::atomic<int> done{0};
    const auto work = [&](int64_t i) {
      if (i == 5) throw std::bad_alloc();
      ++done;
    };
    EXPECT_THROW(parallel_for(n_threads, 100, work), std::bad_alloc);
    EXPECT_LT(done, 100);
  }
}

// A crew with its followers on threads of their own.
class CrewOnThreads {
 public:
  explicit CrewOnThreads(int n_threads) : crew_(n_threads) {
    for (int t = 1; t < n_threads; ++t)
      threads_.emplace_back([this, t] { crew_.follow(t); });
  }
  ~CrewOnThreads() { crew_.dismiss(); }
  Crew& operator*() { return crew_; }

 private:
  Crew crew_;
  std::vector<std::jthread> threads_;
};

TEST(Crew, DoesEveryPieceOnceJobAfterJob) {
  for (const int n_threads : {1, 2, 5}) {
    CrewOnThreads crew(n_threads);
    for (int job = 0; job < 300; ++job) {
      const int64_t n = job % 7;
      std::vector<std::atomic<int>> visits(7);
      (*crew).for_each(n, [&](int64_t i, int thread) {
        EXPECT_TRUE(0 <= thread && thread < n_threads);
        ++visits[i];
      });
      for (int64_t i = 0; i < 7; ++i)
        ASSERT_EQ(visits[i].load(), i < n ? 1 : 0) << job;
    }
  }
}

TEST(Crew, NeedsNoFollowers) {
  Crew crew(4);
  int64_t sum = 0;
  crew.for_each(10, [&](int64_t i, int) { sum += i; });
  EXPECT_EQ(sum, 45);
  crew.dismiss();
  crew.follow(1);  // too late: sent home at once
}

TEST(Crew, ThrowsWhatAPieceThrewAndGoesOn) {
  CrewOnThreads crew(3);
  std::atomic<int> done{0};
  const auto work = [&](int64_t i, int) {
    if (i == 5) throw std::bad_alloc();
    ++done;
  };
  EXPECT_THROW((*crew).for_each(100, work), std::bad_alloc);
  EXPECT_LT(done, 100);
  done = 0;
  (*crew).for_each(50, [&](int64_t, int) { ++done; });
  EXPECT_EQ(done, 50);
}

TEST(Crew, MemoryIsOneThreadsBehindTheOthers) {
  Crew crew(3);
  float* floats = crew.memory(100);
  std::fill_n(floats, 300, 1.0f);
  EXPECT_EQ(crew.memory(50), floats);
  crew.trim();
  EXPECT_EQ(crew.memory(100), floats);
}

}  // namespace
}  // namespace restkv
