#include "kernels/dispatch.h"

#include <vector>

#include "core/cpu.h"

namespace restkv::kernels {
namespace {

std::vector<KernelSet> find_supported() {
  std::vector<KernelSet> found = {
      {"ref", &kWindowAttentionRef, &kReconstructionRef, &kDequantRef, &kMatvecRef}};
#ifdef RESTKV_X86_KERNELS
  if (cpu_has_avx2())
    found.push_back(
        {"avx2", &kWindowAttentionAvx2, &kReconstructionAvx2, &kDequantAvx2, &kMatvecAvx2});
  if (cpu_has_avx512()) {
    found.push_back(
        {"avx512", &kWindowAttentionAvx512, &kReconstructionAvx512, &kDequantAvx512, &kMatvecAvx2});
  }
  if (cpu_has_avx512_bf16()) {
    found.push_back({"avx512_bf16", &kWindowAttentionAvx512, &kReconstructionAvx512,
                     &kDequantAvx512Bf16, &kMatvecAvx512Bf16});
  }
#endif
  return found;
}

}  // namespace

std::span<const KernelSet> supported_kernels() {
  static const std::vector<KernelSet> kSupported = find_supported();
  return kSupported;
}

const KernelSet& best_kernels() {
  return supported_kernels().back();
}

}  // namespace restkv::kernels
