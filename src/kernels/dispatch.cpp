#include "kernels/dispatch.h"

#include <vector>

#include "core/cpu.h"

namespace restkv::kernels {
namespace {

std::vector<KernelSet> find_supported() {
  std::vector<KernelSet> found = {
      {"ref", &kWindowAttentionRef, &kReconstructionRef, &kDecodeAttentionRef}};
#ifdef RESTKV_X86_KERNELS
  if (cpu_has_avx2())
    found.push_back({"avx2", &kWindowAttentionAvx2, &kReconstructionAvx2, &kDecodeAttentionAvx2});
  if (cpu_has_avx512()) {
    found.push_back(
        {"avx512", &kWindowAttentionAvx512, &kReconstructionAvx512, &kDecodeAttentionAvx512});
  }
  if (cpu_has_avx512_bf16()) {
    found.push_back(
        {"avx512_bf16", &kWindowAttentionAvx512, &kReconstructionAvx512, &kDecodeAttentionAvx512});
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
