// Which variant of the kernels runs on this machine.
#pragma once

#include <span>
#include <string_view>

#include "kernels/decode_attention.h"
#include "kernels/dequant_rows.h"
#include "kernels/layer_rows.h"
#include "kernels/pair_panel.h"
#include "kernels/panel_product.h"
#include "kernels/prefill_attention.h"
#include "kernels/quant_matvec.h"
#include "kernels/reconstruction.h"
#include "kernels/window_attention.h"

namespace restkv::kernels {

struct KernelSet {
  std::string_view name;  // ref, avx2, avx512, avx512_bf16, amx_bf16
  const DecodeAttentionKernels* decode_attention = nullptr;
  const DequantKernels* dequant = nullptr;
  const LayerRowKernels* layer_rows = nullptr;
  const PairPanelKernels* pair_panel = nullptr;
  const PanelProductKernels* panel_product = nullptr;
  const PrefillAttentionKernels* prefill_attention = nullptr;
  const MatvecKernels* matvec = nullptr;
  const ReconstructionKernels* reconstruction = nullptr;
  const WindowAttentionKernels* window_attention = nullptr;
};

// All variants that this build has and this CPU can run, slowest first; ref is always there.
std::span<const KernelSet> supported_kernels();

// The fastest of them. Thread safe.
const KernelSet& best_kernels();

// Whether that is more than plain loops, which ggml's own kernels outdo.
bool has_vector_kernels();

}  // namespace restkv::kernels
