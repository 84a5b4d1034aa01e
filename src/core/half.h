// IEEE 754 binary16 <-> binary32 without hardware support: the oracle of the F16C path, and the
// path of machines without it.
#pragma once

#include <cstdint>

namespace restkv {

float half_to_float(uint16_t half);

// Rounds to nearest, ties to even; overflow gives infinity.
uint16_t float_to_half(float value);

}  // namespace restkv
