#include "kernels/reconstruction_simd.h"

namespace restkv::kernels {

using Kernels = Reconstruction<8>;
const ReconstructionKernels kReconstructionAvx2 = {Kernels::distance, Kernels::score_rows,
                                                   Kernels::gram, Kernels::gram_in_floats,
                                                   Kernels::eliminate};

}  // namespace restkv::kernels
