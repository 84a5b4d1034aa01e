// What this CPU and system can run, asked at run time. Always false on other machines than x86-64.
#pragma once

namespace restkv {

bool cpu_has_f16c();
// AVX2, FMA and F16C: what the *_avx2.cpp files are compiled for.
bool cpu_has_avx2();
// The former and AVX-512 F, BW, DQ and VL: what the *_avx512.cpp files are compiled for.
bool cpu_has_avx512();

}  // namespace restkv
