#include "core/cpu.h"

#include <cstdlib>
#include <cstring>

#ifdef RESTKV_X86_KERNELS
#include <cpuid.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace restkv {

#ifdef RESTKV_X86_KERNELS

namespace {

enum class Level { portable, avx2, avx512, avx512_bf16, amx_bf16 };

// What RESTKV_CPU allows; an unknown name allows everything.
Level allowed() {
  static const Level kAllowed = [] {
    const char* name = std::getenv("RESTKV_CPU");
    if (name == nullptr) return Level::amx_bf16;
    if (std::strcmp(name, "portable") == 0) return Level::portable;
    if (std::strcmp(name, "avx2") == 0) return Level::avx2;
    if (std::strcmp(name, "avx512") == 0) return Level::avx512;
    if (std::strcmp(name, "avx512_bf16") == 0) return Level::avx512_bf16;
    return Level::amx_bf16;
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

// Tiles of 16 rows of 64 bytes, eight of them: palette 1.
bool cpu_has_tiles() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  if ((edx & kBf16) == 0 || (edx & kTile) == 0) return false;
  if (__get_cpuid_count(0x1d, 1, &eax, &ebx, &ecx, &edx) == 0) return false;
  return eax >> 16 == 1024 && (ebx & 0xffff) == 64 && ebx >> 16 >= 8 && (ecx & 0xffff) >= 16;
}

// Whether the system saves the tiles of a thread, and lets this process use them: Linux wants to be
// asked, once for all threads.
bool system_saves_tiles() {
#ifdef __linux__
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned kOsXsave = 1u << 27, kTileState = 3u << 17;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & kOsXsave) == 0) return false;
  unsigned low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & kTileState) != kTileState) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
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

bool cpu_has_amx_bf16() {
  static const bool kHas = allowed() >= Level::amx_bf16 && cpu_has_avx512_bf16() &&
                           cpu_has_tiles() && system_saves_tiles();
  return kHas;
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
bool cpu_has_amx_bf16() {
  return false;
}

#endif

}  // namespace restkv
