#include "kernels/reconstruction_simd.h"

namespace restkv::kernels {

using Kernels = Reconstruction<16>;
const ReconstructionKernels kReconstructionAvx512 = {Kernels::distance, Kernels::score_rows,
                                                     Kernels::gram, Kernels::gram_in_floats,
                                                     Kernels::eliminate};

}  // namespace restkv::kernels
