#include "bench/common/machine.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "ggml.h"
#include "kernels/dispatch.h"

namespace restkv::bench {
namespace {

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

double load_average() {
  double load = 0;
  return getloadavg(&load, 1) == 1 ? load : 0;
}

}  // namespace

Machine describe_machine() {
#ifdef __clang__
  const std::string compiler = "clang " __clang_version__;
#else
  const std::string compiler = "gcc " __VERSION__;
#endif
  return {.cpu = cpu_name(),
          .cores = static_cast<int>(std::thread::hardware_concurrency()),
          .kernels = std::string(kernels::best_kernels().name),
          .memory_bytes = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) *
                          static_cast<size_t>(sysconf(_SC_PAGESIZE)),
          .load_before = load_average(),
          .compiler = compiler,
          .ggml = ggml_version(),
          .restkv = RESTKV_VERSION};
}

}  // namespace restkv::bench
