#include "kernels/prefill_attention_simd.h"

namespace restkv::kernels {

constinit const PrefillAttentionKernels kPrefillAttentionAvx2 =
    PrefillKernels<FloatCells<8>>::table();

}  // namespace restkv::kernels
