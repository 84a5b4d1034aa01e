#include "kernels/dequant_rows_simd.h"

namespace restkv::kernels {

using Kernels = DequantRows<8>;
const DequantKernels kDequantAvx2 = {Kernels::to_bf16, Kernels::to_float, Kernels::floats_to_bf16,
                                     Kernels::bf16_to_floats};

}  // namespace restkv::kernels
