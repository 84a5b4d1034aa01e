#include "kernels/dispatch.h"

#include <vector>

#include "core/cpu.h"

namespace restkv::kernels {
namespace {

std::vector<KernelSet> find_supported() {
  KernelSet set{
      .name = "ref",
      .decode_attention = &kDecodeAttentionRef,
      .dequant = &kDequantRef,
      .layer_rows = &kLayerRowsRef,
      .pair_panel = &kPairPanelRef,
      .panel_product = &kPanelProductRef,
      .prefill_attention = &kPrefillAttentionRef,
      .matvec = &kMatvecRef,
      .reconstruction = &kReconstructionRef,
      .window_attention = &kWindowAttentionRef,
  };
  std::vector<KernelSet> found{set};
#ifdef RESTKV_X86_KERNELS
  if (cpu_has_avx2()) {
    set.name = "avx2";
    set.decode_attention = &kDecodeAttentionAvx2;
    set.dequant = &kDequantAvx2;
    set.layer_rows = &kLayerRowsAvx2;
    set.prefill_attention = &kPrefillAttentionAvx2;
    set.matvec = &kMatvecAvx2;
    set.reconstruction = &kReconstructionAvx2;
    set.window_attention = &kWindowAttentionAvx2;
    found.push_back(set);
  }
  if (cpu_has_avx512()) {
    set.name = "avx512";
    set.decode_attention = &kDecodeAttentionAvx512;
    set.dequant = &kDequantAvx512;
    set.layer_rows = &kLayerRowsAvx512;
    set.pair_panel = &kPairPanelAvx512;
    set.prefill_attention = &kPrefillAttentionAvx512;
    set.reconstruction = &kReconstructionAvx512;
    set.window_attention = &kWindowAttentionAvx512;
    found.push_back(set);
  }
  if (cpu_has_avx512_bf16()) {
    set.name = "avx512_bf16";
    set.dequant = &kDequantAvx512Bf16;
    set.prefill_attention = &kPrefillAttentionAvx512Bf16;
    set.matvec = &kMatvecAvx512Bf16;
    found.push_back(set);
  }
#endif
#ifdef RESTKV_AMX_KERNELS
  if (cpu_has_amx_bf16()) {
    set.name = "amx_bf16";
    set.panel_product = &kPanelProductAmxBf16;
    set.prefill_attention = &kPrefillAttentionAmxBf16;
    found.push_back(set);
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

bool has_vector_kernels() {
  return supported_kernels().size() > 1;
}

}  // namespace restkv::kernels
