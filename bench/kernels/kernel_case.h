// A kernel at one shape, as the table of kernels/README.md measures it. To add one: a function that
// makes its cases, in a file of its own, and a line in cases.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/dispatch.h"

namespace restkv::bench {

// Which of the machine's peaks a kernel is compared with.
enum class Bound { f32, f64, bf16, int8, memory };

struct KernelCase {
  std::string kernel, shape;
  Bound bound = Bound::f32;
  double work =
      0;  // of all units: floating-point (integer) operations, or bytes where memory-bound

  // What the set runs. Levels that share a variant are measured once.
  std::function<const void*(const kernels::KernelSet&)> variant;
  // Independent pieces; one thread takes all of them, or they are dealt out.
  int64_t n_unit = 1;
  // Computes a unit; 0 <= thread < the number that was asked for at creation.
  std::function<void(const kernels::KernelSet&, int64_t unit, int thread)> run;
  // Before every pass over the units, not timed; may be empty.
  std::function<void()> prepare;
  // What the last pass wrote, as far as it is specified.
  std::function<std::vector<float>()> result;
  // Of a variant's result from the plain loop's: the largest difference over the largest value.
  double tolerance = 1e-4;
};

// n_threads: as many threads may run units of a case at once.
using CaseMaker = std::vector<KernelCase> (*)(int n_threads);

std::vector<KernelCase> window_attention_cases(int n_threads);
std::vector<KernelCase> reconstruction_cases(int n_threads);

// Every registered case, in the table's order.
std::vector<KernelCase> all_cases(int n_threads);

}  // namespace restkv::bench
