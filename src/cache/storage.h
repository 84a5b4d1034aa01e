// Rows of K or V in their storage types, through ggml's own quantisers.
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ggml.h"
#include "restkv/options.h"
#include "restkv/status.h"
#include "restkv/tensor_view.h"

namespace restkv {

ggml_type ggml_type_of(StorageType type);
std::string_view storage_name(StorageType type);  // as on the command line

// Error: usage, where a row of head_dim is not a whole number of the type's blocks (of 32).
Status check_storage(StorageType type, int64_t head_dim);
size_t storage_row_bytes(StorageType type, int64_t head_dim);

// One row of f16 or f32 into the storage type. REQUIRES: check_storage() accepts rows.n_col.
void store_row(const RowsView& rows, int64_t row, StorageType type, std::byte* to);
// n stored rows, `from` the first, as float [n][head_dim].
void load_stored(const std::byte* from, StorageType type, int64_t n, int64_t head_dim, float* to);
// The same rounded to f16.
void load_stored_halves(const std::byte* from, StorageType type, int64_t n, int64_t head_dim,
                        uint16_t* to);

}  // namespace restkv
