#include "kernels/decode_attention_simd.h"

namespace restkv::kernels {

const DecodeAttentionKernels kDecodeAttentionAvx512 = {DecodeAttention<16, 8, 4, 8>::attend,
                                                       turn_first<16>};

}  // namespace restkv::kernels
