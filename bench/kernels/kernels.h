// Every kernel and variant beside what the machine can do. See README.md.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/common/stats.h"
#include "bench/kernels/kernel_case.h"
#include "bench/kernels/peaks.h"

namespace restkv::bench {

struct KernelRow {
  std::string kernel{}, shape{}, variant{};
  int n_threads = 1;
  Bound bound = Bound::f32;
  Spread rate{};          // 10^9 operations, bytes or values a second, as the bound says
  Spread operations{};    // of a memory-bound kernel, 10^9 a second; 0 where they are not counted
  double share = 0;       // of the machine's peak; 0 where it is unknown
  Ratio to_ref{};         // rate over the plain loop's
  double difference = 0;  // from the plain loop's result, see KernelCase
  bool counts = false;
};

struct KernelScenario {
  std::string filter{};  // part of a kernel's name; empty: all
  int n_threads = 1;
  int n_repeat = 3;
  std::function<void(const std::string&)> on_step{};
};

// Memory-bound kernels with more than one unit are measured with one thread and with all.
std::vector<KernelRow> run_kernels(const KernelScenario& scenario, const MachinePeaks& peaks);

}  // namespace restkv::bench
