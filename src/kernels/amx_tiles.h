// The tile registers of AMX: eight of 16 rows of 64 bytes. Sums are 16 x 16 floats, what is
// multiplied 16 rows of 16 cells of two bfloat16 (see prefill_cells_simd.h).
//
// Instructions of our own: GCC 12's intrinsics do not say which memory they read (GCC bug 114098
// and its like), so that stores before them are moved or dropped.
#pragma once

#include <cstdint>

namespace restkv::kernels {
namespace {  // NOLINT: internal linkage on purpose, see simd.h

// All tiles of full size while it lives. oneDNN configures them for itself on the same threads, so
// that nobody may count on what he finds.
class AmxTiles {
 public:
  AmxTiles() {
    Shapes shapes;
    for (int i = 0; i < 8; ++i) {
      shapes.row_bytes[i] = 64;
      shapes.rows[i] = 16;
    }
    asm volatile("ldtilecfg %0" : : "m"(shapes));
  }
  ~AmxTiles() { asm volatile("tilerelease"); }
  AmxTiles(const AmxTiles&) = delete;
  AmxTiles& operator=(const AmxTiles&) = delete;

  // Rows are `stride` bytes apart.
  template <int T>
  [[gnu::always_inline]] static inline void load(const void* p, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(stride), "i"(T) : "memory");
  }
  template <int T>
  [[gnu::always_inline]] static inline void store(void* p, int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(p), "r"(stride), "i"(T) : "memory");
  }
  template <int T>
  [[gnu::always_inline]] static inline void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(T));
  }
  // C += A B: A 16 rows of cells, B 16 rows of a cell of each column.
  template <int C, int A, int B>
  [[gnu::always_inline]] static inline void madd() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  }

 private:
  struct Shapes {  // palette 1 of LDTILECFG
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
  };
  static_assert(sizeof(Shapes) == 64);
};

}  // namespace
}  // namespace restkv::kernels
