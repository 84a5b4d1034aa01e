#include "bench/kernels/peaks.h"

#include <algorithm>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "bench/common/stats.h"
#include "core/clock.h"
#include "core/cpu.h"

namespace restkv::bench {
namespace {

constexpr int64_t kReadWords = int64_t{64} << 20;  // 512 MiB
constexpr int kTries = 5;
constexpr double kLoopMs = 20;

// The best of a few tries, each long enough for the clock.
double best_rate(PeakLoop loop) {
  int64_t n_round = 1 << 12;
  double best = 0;
  for (int t = 0; t < kTries;) {
    const double start = now_ms();
    const double done = loop(n_round);
    const double ms = now_ms() - start;
    if (ms < kLoopMs) {
      n_round *= 2;
      continue;
    }
    best = std::max(best, done / ms * 1e-6);
    ++t;
  }
  return best;
}

double best_read(ReadLoop loop, const uint64_t* words, int n_threads) {
  std::vector<uint64_t> sums(n_threads);
  const int64_t part = kReadWords / n_threads / 64 * 64;
  double best = 0;
  for (int t = 0; t < kTries; ++t) {
    const double start = now_ms();
    {
      std::vector<std::jthread> helpers;
      for (int h = 1; h < n_threads; ++h)
        helpers.emplace_back([&, h] { sums[h] = loop(words + h * part, part); });
      sums[0] = loop(words, part);
    }
    const double bytes = 8.0 * static_cast<double>(part) * n_threads;
    best = std::max(best, bytes / (now_ms() - start) * 1e-6);
  }
  const volatile uint64_t sink = sums[0];
  (void)sink;
  return best;
}

struct Loops {
  PeakLoop f32 = f32_loop_plain, bf16 = nullptr, amx = nullptr, int8 = nullptr;
  ReadLoop read = read_loop_plain;
};

Loops choose_loops() {
  Loops loops;
#ifdef RESTKV_X86_KERNELS
  if (cpu_has_avx2()) loops = {.f32 = f32_loop_avx2, .read = read_loop_avx2};
  if (cpu_has_avx512()) loops = {.f32 = f32_loop_avx512, .read = read_loop_avx512};
  if (cpu_has_avx512_bf16()) {
    loops.bf16 = bf16_loop_avx512;
    loops.int8 = int8_loop_avx512;
  }
#endif
#ifdef RESTKV_AMX_KERNELS
  if (cpu_has_amx_bf16()) loops.amx = bf16_loop_amx;
#endif
  return loops;
}

}  // namespace

double f32_loop_plain(int64_t n_round) {
  float sums[16] = {};
  volatile float factor = 0.5f;
  const float a = factor;
  for (int64_t i = 0; i < n_round; ++i) {
    for (float& sum : sums)
      sum = sum * a + a;
  }
  volatile float sink = 0;
  for (const float sum : sums)
    sink = sink + sum;
  return 16.0 * 2 * static_cast<double>(n_round);
}

uint64_t read_loop_plain(const uint64_t* words, int64_t n) {
  uint64_t sum = 0;
  for (int64_t i = 0; i < n; ++i)
    sum ^= words[i];
  return sum;
}

MachinePeaks measure_peaks(int n_threads) {
  const Loops loops = choose_loops();
  MachinePeaks peaks{.f32 = best_rate(loops.f32), .n_threads = n_threads};
  if (loops.bf16 != nullptr) peaks.bf16 = best_rate(loops.bf16);
  if (loops.amx != nullptr) peaks.amx = best_rate(loops.amx);
  if (loops.int8 != nullptr) peaks.int8 = best_rate(loops.int8);
  const std::unique_ptr<uint64_t[]> words(new (std::nothrow) uint64_t[kReadWords]);
  if (!words) return peaks;
  std::fill_n(words.get(), kReadWords, 1);
  peaks.read_1 = best_read(loops.read, words.get(), 1);
  peaks.read_n = n_threads > 1 ? best_read(loops.read, words.get(), n_threads) : peaks.read_1;
  return peaks;
}

}  // namespace restkv::bench
