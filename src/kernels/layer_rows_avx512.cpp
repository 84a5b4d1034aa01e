#include "kernels/layer_rows_simd.h"

namespace restkv::kernels {

const LayerRowKernels kLayerRowsAvx512 = {LayerRows<16>::rms_norm, LayerRows<16>::gate,
                                          LayerRows<16>::add};

}  // namespace restkv::kernels
