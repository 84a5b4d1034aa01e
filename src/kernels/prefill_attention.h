// Attention of a chunk of queries over all keys so far, in tiles with an online softmax
// (FlashAttention, arXiv 2205.14135): no row of weights exists at any time.
//
// The keys and values of one KV head are packed once, in blocks of kKeyBlock, into the layout that
// a variant multiplies with, and serve all query heads of the group. With avx512_bf16 and amx_bf16
// that is bfloat16: weights and values then carry 8 bits of mantissa; sums are float. The mean of a
// block's keys is taken off before rounding and comes back in float, because keys of models with a
// large bias differ by less than their rounding. What one variant packed only the same variant can
// read.
//
// Work comes in independent units: any thread may compute any of them, each with its own scratch.
// All functions are pure, and may run concurrently with different outputs and scratch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "restkv/tensor_view.h"

namespace restkv::kernels {

constexpr int64_t kKeyBlock = 128;    // keys of a packed block
constexpr int64_t kQueryBlock = 128;  // query rows of a unit
constexpr int64_t kColumnSpan = 8;    // key blocks of a unit of column_sums

constexpr int64_t n_key_blocks(int64_t n_key) {
  return (n_key + kKeyBlock - 1) / kKeyBlock;
}

constexpr int64_t n_query_blocks(int64_t n_query) {
  return (n_query + kQueryBlock - 1) / kQueryBlock;
}

struct PackKeys {
  RowsView keys;           // [n_row >= n_key][head_dim]
  RowsView values;         // alike
  int64_t n_key = 0;       // rows from here on are not read and count as zeros
  void* packed = nullptr;  // [packed_bytes(n_key, head_dim)], 64-byte aligned
};

// The query rows of one KV head's group and what they see. Row i sees the keys before
// n_visible(i) = min(n_key, first_visible + i), or all of them where it is not causal; with a
// window only the last `window` of these.
struct PrefillQueries {
  const float* data = nullptr;  // [n_head][n_row][head_dim], strided
  int64_t row_stride = 0;       // floats between two rows of a head
  int64_t head_stride = 0;      // floats between two heads
  int64_t n_head = 0;           // query heads of the group
  int64_t n_row = 0;
  int64_t head_dim = 0;
  float scale = 1.0f;         // factor of the dot products
  int64_t n_key = 0;          // as packed
  int64_t first_visible = 0;  // n_key - n_row + 1 for the last n_row tokens of n_key
  bool causal = true;
  int64_t window = 0;  // 0: none
};

// Which key blocks the unit (query head, query block) computes; those beyond the causal border may
// be listed. No selection: all.
struct BlockSelection {
  const int32_t* offsets = nullptr;  // [n_head * n_query_blocks(n_row) + 1] into blocks
  const int32_t* blocks = nullptr;   // ascending and unique within a unit
};

struct PrefillAttention {
  const void* packed = nullptr;
  PrefillQueries queries;
  BlockSelection selection = {};
  float* output = nullptr;          // out [n_head][n_row][head_dim], strided; null: not wanted
  uint16_t* output_bf16 = nullptr;  // the same rounded to bfloat16; null: not wanted
  int64_t output_row_stride = 0;    // elements, of both
  int64_t output_head_stride = 0;
  float* lse = nullptr;  // out [n_head][n_row], see log_sum_exp; null: not wanted
};

struct ColumnSums {
  const void* packed = nullptr;
  PrefillQueries queries;
  const float* lse = nullptr;  // [n_head][n_row] as attend or log_sum_exp gives it
  double* sums = nullptr;      // in and out [n_head][n_key]
  int64_t stride = 0;          // doubles between two heads
};

struct PrefillAttentionKernels {
  size_t (*packed_bytes)(int64_t n_key, int64_t head_dim);
  size_t (*scratch_bytes)(int64_t head_dim);  // of one thread, 64-byte aligned

  // Packs blocks first .. first + count of n_key_blocks(n_key), each on its own. When keys are
  // appended, the blocks before the first changed row stay valid.
  void (*pack)(const PackKeys& args, int64_t first, int64_t count);

  // Unit head * n_query_blocks(n_row) + block. A row that sees no key gives zeros, and -inf as lse.
  // REQUIRES: keys and values of packed rows are finite, also those that a row does not see.
  void (*attend)(const PrefillAttention& args, int64_t unit, void* scratch);

  // lse[head][row] = log of the sum of exp(scale * q . k) over the keys that the row sees. Units
  // and selection as in attend; outputs are not touched.
  void (*log_sum_exp)(const PrefillAttention& args, int64_t unit, void* scratch);

  // sums[head][key] += the sum over the rows that see the key of exp(scale * q . k - lse). Unit
  // span * n_head + head: keys span * kColumnSpan * kKeyBlock and on; earlier spans take longer.
  // Rows of lse -inf add nothing.
  void (*column_sums)(const ColumnSums& args, int64_t unit, void* scratch);
};

constexpr int64_t n_attend_units(const PrefillQueries& queries) {
  return queries.n_head * n_query_blocks(queries.n_row);
}

constexpr int64_t n_column_units(const PrefillQueries& queries) {
  return queries.n_head * ((n_key_blocks(queries.n_key) + kColumnSpan - 1) / kColumnSpan);
}

// The plain loops that the others are tested against.
extern const PrefillAttentionKernels kPrefillAttentionRef;
// AVX2 and FMA; AVX-512 F, BW, DQ, VL; the same with BF16; with AMX, where the compiler knows it
// (RESTKV_AMX_KERNELS). Only on x86-64 builds.
extern const PrefillAttentionKernels kPrefillAttentionAvx2;
extern const PrefillAttentionKernels kPrefillAttentionAvx512;
extern const PrefillAttentionKernels kPrefillAttentionAvx512Bf16;
extern const PrefillAttentionKernels kPrefillAttentionAmxBf16;

}  // namespace restkv::kernels
