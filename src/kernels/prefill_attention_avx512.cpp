#include "kernels/prefill_attention_simd.h"

namespace restkv::kernels {

constinit const PrefillAttentionKernels kPrefillAttentionAvx512 =
    PrefillKernels<FloatCells<16>>::table();

}  // namespace restkv::kernels
