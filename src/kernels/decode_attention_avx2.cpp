#include "kernels/decode_attention_simd.h"

namespace restkv::kernels {

const DecodeAttentionKernels kDecodeAttentionAvx2 = {DecodeAttention<8, 8, 2, 2>::attend,
                                                     turn_first<8>};

}  // namespace restkv::kernels
