// What this machine can do at most: the yardstick of the kernels' table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace restkv::bench {

struct MachinePeaks {
  // 10^9 operations a second of one thread, a multiplication and an addition being two; 0 where
  // the CPU, or RESTKV_CPU, does not have the instruction.
  double f32 = 0, bf16 = 0, amx = 0, int8 = 0;  // amx: its products of bf16
  double f64() const { return f32 / 2; }
  // 10^9 bytes a second read from memory, far more of it than any cache holds.
  double read_1 = 0, read_n = 0;  // one thread, all of them
  int n_threads = 1;
};
// Takes about a second and 512 MiB. Error-free: without that memory bandwidths are 0.
MachinePeaks measure_peaks(int n_threads);

// A loop that does nothing but one kind of instruction: n rounds, returns the operations done.
using PeakLoop = double (*)(int64_t n_round);
// Reads n words, a multiple of 64; returns something that depends on all of them.
using ReadLoop = uint64_t (*)(const uint64_t* words, int64_t n);

double f32_loop_plain(int64_t n_round);
uint64_t read_loop_plain(const uint64_t* words, int64_t n);
// Only on x86-64 builds, and only where the CPU has the instructions.
double f32_loop_avx2(int64_t n_round);
uint64_t read_loop_avx2(const uint64_t* words, int64_t n);
double f32_loop_avx512(int64_t n_round);
uint64_t read_loop_avx512(const uint64_t* words, int64_t n);
double bf16_loop_avx512(int64_t n_round);
double int8_loop_avx512(int64_t n_round);
// Only where the compiler knows AMX, and only on a thread of a process that may use it.
double bf16_loop_amx(int64_t n_round);

}  // namespace restkv::bench
