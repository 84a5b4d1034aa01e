// What a measurement was taken on.
#pragma once

#include <cstddef>
#include <string>

namespace restkv::bench {

struct Machine {
  std::string cpu;      // the model's name
  int cores = 0;        // that this process may use
  std::string kernels;  // the level of our kernels: avx512, ...
  size_t memory_bytes = 0;
  double load_before = 0;  // average of the last minute, before anything was measured
  std::string compiler, ggml, restkv;
};
Machine describe_machine();

}  // namespace restkv::bench
