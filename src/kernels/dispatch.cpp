#include "kernels/dispatch.h"

#include <vector>

namespace restkv::kernels {
namespace {

std::vector<KernelSet> find_supported() {
  std::vector<KernelSet> found = {{"ref", &kWindowAttentionRef, &kReconstructionRef}};
#ifdef RESTKV_X86_KERNELS
  const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
                    __builtin_cpu_supports("f16c") != 0;
  const bool avx512 =
      avx2 && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
      __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
  if (avx2) found.push_back({"avx2", &kWindowAttentionAvx2, &kReconstructionAvx2});
  if (avx512) found.push_back({"avx512", &kWindowAttentionAvx512, &kReconstructionAvx512});
#endif
  return found;
}

}  // namespace

std::span<const KernelSet> supported_kernels() {
  static const std::vector<KernelSet> supported = find_supported();
  return supported;
}

const KernelSet& best_kernels() {
  return supported_kernels().back();
}

}  // namespace restkv::kernels
