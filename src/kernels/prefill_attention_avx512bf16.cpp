#include "kernels/prefill_attention_simd.h"
#include "kernels/prefill_bf16_cells_simd.h"

namespace restkv::kernels {

constinit const PrefillAttentionKernels kPrefillAttentionAvx512Bf16 =
    PrefillKernels<Bf16Cells>::table();

}  // namespace restkv::kernels
