#include "core/cpu.h"

#ifdef RESTKV_X86_KERNELS
#include <cpuid.h>
#endif

namespace restkv {

#ifdef RESTKV_X86_KERNELS

bool cpu_has_f16c() {
  // Not every compiler's __builtin_cpu_supports knows F16C. AVX tells that the system saves the
  // registers.
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) return false;
  return __builtin_cpu_supports("avx") != 0 && (ecx & bit_F16C) != 0;
}

bool cpu_has_avx2() {
  return cpu_has_f16c() && __builtin_cpu_supports("avx2") != 0 &&
         __builtin_cpu_supports("fma") != 0;
}

bool cpu_has_avx512() {
  return cpu_has_avx2() && __builtin_cpu_supports("avx512f") != 0 &&
         __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0;
}

#else

bool cpu_has_f16c() {
  return false;
}
bool cpu_has_avx2() {
  return false;
}
bool cpu_has_avx512() {
  return false;
}

#endif

}  // namespace restkv
