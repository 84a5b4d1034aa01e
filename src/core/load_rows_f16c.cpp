// Compiled for AVX and F16C: nothing inline from other headers may be used here, its code could
// be merged into what runs on every machine.
#include "core/load_rows_f16c.h"

#include <immintrin.h>

namespace restkv {

void halves_to_floats_f16c(const uint16_t* in, int64_t count, float* out) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i));
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(halves));
  }
  for (; i < count; ++i)
    out[i] = _cvtsh_ss(in[i]);
}

}  // namespace restkv
