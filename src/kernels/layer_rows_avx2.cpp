#include "kernels/layer_rows_simd.h"

namespace restkv::kernels {

const LayerRowKernels kLayerRowsAvx2 = {LayerRows<8>::rms_norm, LayerRows<8>::gate,
                                        LayerRows<8>::add};

}  // namespace restkv::kernels
