#include "kernels/reconstruction_simd.h"

namespace restkv::kernels {

using Kernels = Reconstruction<16>;
const ReconstructionKernels kReconstructionAvx512 = {Kernels::distance, Kernels::score_rows,
                                                     Kernels::gram, Kernels::eliminate};

}  // namespace restkv::kernels
