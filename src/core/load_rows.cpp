#include <cstdint>
#include <cstring>

#include "core/check.h"
#include "core/cpu.h"
#include "core/half.h"
#include "core/load_rows_f16c.h"
#include "restkv/tensor_view.h"

namespace restkv {
namespace {

void halves_to_floats_plain(const uint16_t* in, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i)
    out[i] = half_to_float(in[i]);
}

using HalvesToFloats = void (*)(const uint16_t* in, int64_t count, float* out);

HalvesToFloats fastest_conversion() {
#ifdef RESTKV_X86_KERNELS
  if (cpu_has_f16c()) return halves_to_floats_f16c;
#endif
  return halves_to_floats_plain;
}

}  // namespace

void load_rows(const RowsView& rows, int64_t first, int64_t count, float* out) {
  RESTKV_CHECK(first >= 0 && count >= 0 && first + count <= rows.n_row);
  static const HalvesToFloats kConvert = fastest_conversion();
  for (int64_t row = first; row < first + count; ++row, out += rows.n_col) {
    const int64_t offset = row * rows.row_stride;
    if (rows.type == ElementType::f16) {
      kConvert(static_cast<const uint16_t*>(rows.data) + offset, rows.n_col, out);
    } else {
      std::memcpy(out, static_cast<const float*>(rows.data) + offset,
                  static_cast<size_t>(rows.n_col) * sizeof(float));
    }
  }
}

}  // namespace restkv
