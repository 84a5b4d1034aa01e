#include "cache/storage.h"

#include <cstring>
#include <string>
#include <vector>

#include "core/check.h"

namespace restkv {

ggml_type ggml_type_of(StorageType type) {
  switch (type) {
    case StorageType::f16:
      return GGML_TYPE_F16;
    case StorageType::q8_0:
      return GGML_TYPE_Q8_0;
    case StorageType::q4_0:
      return GGML_TYPE_Q4_0;
  }
  return GGML_TYPE_F16;
}

std::string_view storage_name(StorageType type) {
  return ggml_type_name(ggml_type_of(type));
}

Status check_storage(StorageType type, int64_t head_dim) {
  const int64_t block = ggml_blck_size(ggml_type_of(type));
  if (head_dim % block == 0) return {};
  return Status::usage("--kv-type is " + std::string(storage_name(type)) +
                       ", the model's heads are " + std::to_string(head_dim) +
                       " wide; they must be a multiple of " + std::to_string(block));
}

size_t storage_row_bytes(StorageType type, int64_t head_dim) {
  return ggml_row_size(ggml_type_of(type), head_dim);
}

void store_row(const RowsView& rows, int64_t row, StorageType type, std::byte* to) {
  if (type == StorageType::f16 && rows.type == ElementType::f16) {
    const size_t offset = static_cast<size_t>(row) * rows.row_stride * sizeof(uint16_t);
    std::memcpy(to, static_cast<const std::byte*>(rows.data) + offset,
                rows.n_col * sizeof(uint16_t));
    return;
  }
  std::vector<float> floats(rows.n_col);
  load_rows(rows, row, 1, floats.data());
  ggml_quantize_chunk(ggml_type_of(type), floats.data(), to, 0, 1, rows.n_col, nullptr);
}

void load_stored(const std::byte* from, StorageType type, int64_t n, int64_t head_dim, float* to) {
  ggml_get_type_traits(ggml_type_of(type))->to_float(from, to, n * head_dim);
}

void load_stored_halves(const std::byte* from, StorageType type, int64_t n, int64_t head_dim,
                        uint16_t* to) {
  if (type == StorageType::f16) {
    std::memcpy(to, from, n * head_dim * sizeof(uint16_t));
    return;
  }
  std::vector<float> row(head_dim);
  const size_t bytes = storage_row_bytes(type, head_dim);
  for (int64_t i = 0; i < n; ++i) {
    load_stored(from + i * bytes, type, 1, head_dim, row.data());
    ggml_fp32_to_fp16_row(row.data(), reinterpret_cast<ggml_fp16_t*>(to) + i * head_dim, head_dim);
  }
}

}  // namespace restkv
