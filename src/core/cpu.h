// What this CPU and system can run, asked at run time. Always false on other machines than x86-64.
//
// The environment variable RESTKV_CPU (portable, avx2, avx512, avx512_bf16, amx_bf16) hides
// everything above the level that it names, so that the slower paths can be tested on a faster
// machine. It is read once.
#pragma once

namespace restkv {

bool cpu_has_f16c();
// AVX2, FMA and F16C: what the *_avx2.cpp files are compiled for.
bool cpu_has_avx2();
// The former and AVX-512 F, BW, DQ and VL: what the *_avx512.cpp files are compiled for.
bool cpu_has_avx512();
// The former, AVX-512 BF16, VNNI and VBMI: what the *_avx512bf16.cpp files are compiled for (Zen 4,
// Sapphire Rapids and later).
bool cpu_has_avx512_bf16();
// The former and AMX with bf16 (Sapphire Rapids and later), on a Linux that grants its registers:
// what the *_amx.cpp files are compiled for. Thread safe; the first call asks the system.
bool cpu_has_amx_bf16();

}  // namespace restkv
