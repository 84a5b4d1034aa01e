// The F16C path of load_rows. Call only where the CPU has AVX and F16C.
#pragma once

#include <cstdint>

namespace restkv {

void halves_to_floats_f16c(const uint16_t* in, int64_t count, float* out);

}  // namespace restkv
