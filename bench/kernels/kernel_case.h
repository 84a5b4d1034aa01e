// A kernel at one shape, as the table of kernels/README.md measures it. To add one: a function that
// makes its cases, in a file of its own, and a line in cases.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/dispatch.h"

namespace restkv::bench {

// Which of the machine's peaks a kernel is compared with. Those that are counted by their values
// have none.
enum class Bound { f32, f64, bf16, amx, int8, memory, values };

// What a variant that multiplies in bf16 may differ from the plain loop.
constexpr double kBf16Tolerance = 1e-2;

struct KernelCase {
  std::string kernel, shape;
  Bound bound = Bound::f32;
  // Of all units: floating-point (integer) operations; where memory-bound, bytes; or values.
  double work = 0;
  double operations = 0;  // of a memory-bound kernel, where they are of interest, too

  // What the set runs, nullptr where it has nothing. Levels that share a variant are measured once.
  std::function<const void*(const kernels::KernelSet&)> variant;
  // Independent pieces; one thread takes all of them, or they are dealt out.
  int64_t n_unit = 1;
  // Where the plain loop is too slow for all units: the first ones that it takes, and their work.
  // Only they are compared.
  int64_t n_ref_unit = 0;
  double ref_work = 0;
  // Computes a unit; 0 <= thread < the number that was asked for at creation.
  std::function<void(const kernels::KernelSet&, int64_t unit, int thread)> run;
  // Before every pass over the units, not timed; may be empty.
  std::function<void(const kernels::KernelSet&)> prepare;
  // What the last pass wrote, as far as it is specified and all variants have computed it.
  std::function<std::vector<float>()> result;
  // Of a variant's result from the plain loop's: the largest difference over the largest value.
  double tolerance = 1e-4;
  // Whether the levels that have bf16 multiply in it: their peak is that of the instruction, their
  // tolerance kBf16Tolerance.
  bool has_bf16 = false;

  bool in_bf16(const kernels::KernelSet& set) const {
    return has_bf16 && (set.name == "avx512_bf16" || set.name == "amx_bf16");
  }
  Bound bound_of(const kernels::KernelSet& set) const {
    if (bound != Bound::f32 || !in_bf16(set)) return bound;
    return set.name == "amx_bf16" ? Bound::amx : Bound::bf16;
  }
};

// n_threads: as many threads may run units of a case at once.
using CaseMaker = std::vector<KernelCase> (*)(int n_threads);

std::vector<KernelCase> window_attention_cases(int n_threads);
std::vector<KernelCase> reconstruction_cases(int n_threads);
std::vector<KernelCase> prefill_attention_cases(int n_threads);
std::vector<KernelCase> decode_attention_cases(int n_threads);
std::vector<KernelCase> quant_matvec_cases(int n_threads);
std::vector<KernelCase> dequant_rows_cases(int n_threads);
std::vector<KernelCase> layer_rows_cases(int n_threads);
std::vector<KernelCase> panel_product_cases(int n_threads);

// Every registered case, in the table's order.
std::vector<KernelCase> all_cases(int n_threads);

}  // namespace restkv::bench
