#include "kernels/top_positions_simd.h"
#include "kernels/window_attention_simd.h"

namespace restkv::kernels {

using Kernels = WindowAttention<8>;
const WindowAttentionKernels kWindowAttentionAvx2 = {
    Kernels::attention_rows, Kernels::attention_output, Kernels::weighted_sum,
    TopPositions<8>::top_position_sum, Kernels::add_columns};

}  // namespace restkv::kernels
