#include "core/cpu.h"

#include <cstdlib>
#include <cstring>

#ifdef RESTKV_X86_KERNELS
#include <cpuid.h>
#endif

namespace restkv {

#ifdef RESTKV_X86_KERNELS

namespace {

enum class Level { portable, avx2, avx512, avx512_bf16 };

// What RESTKV_CPU allows; an unknown name allows everything.
Level allowed() {
  static const Level kAllowed = [] {
    const char* name = std::getenv("RESTKV_CPU");
    if (name == nullptr) return Level::avx512_bf16;
    if (std::strcmp(name, "portable") == 0) return Level::portable;
    if (std::strcmp(name, "avx2") == 0) return Level::avx2;
    if (std::strcmp(name, "avx512") == 0) return Level::avx512;
    return Level::avx512_bf16;
  }();
  return kAllowed;
}

bool system_has_f16c() {
  // Not every compiler's __builtin_cpu_supports knows F16C. AVX tells that the system saves the
  // registers.
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) return false;
  return __builtin_cpu_supports("avx") != 0 && (ecx & bit_F16C) != 0;
}

}  // namespace

bool cpu_has_f16c() {
  return allowed() >= Level::avx2 && system_has_f16c();
}

bool cpu_has_avx2() {
  return cpu_has_f16c() && __builtin_cpu_supports("avx2") != 0 &&
         __builtin_cpu_supports("fma") != 0;
}

bool cpu_has_avx512() {
  return allowed() >= Level::avx512 && cpu_has_avx2() && __builtin_cpu_supports("avx512f") != 0 &&
         __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0;
}

bool cpu_has_avx512_bf16() {
  return allowed() >= Level::avx512_bf16 && cpu_has_avx512() &&
         __builtin_cpu_supports("avx512bf16") != 0 && __builtin_cpu_supports("avx512vnni") != 0 &&
         __builtin_cpu_supports("avx512vbmi") != 0;
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
bool cpu_has_avx512_bf16() {
  return false;
}

#endif

}  // namespace restkv
