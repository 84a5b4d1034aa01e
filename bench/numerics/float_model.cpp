#include "bench/numerics/float_model.h"

#include <algorithm>
#include <cstring>

#include "core/parallel.h"
#include "model/model.h"

namespace restkv::bench {
namespace {

// What the new file says of itself.
gguf_context_ptr float_metadata(const ModelFile& file) {
  gguf_context_ptr out(gguf_init_empty());
  gguf_set_kv(out.get(), file.metadata.get());
  // Copying the key does not set the context's own alignment, by which tensors are placed.
  gguf_set_val_u32(out.get(), "general.alignment",
                   static_cast<uint32_t>(gguf_get_alignment(out.get())));
  gguf_set_val_u32(out.get(), "general.file_type", 0);
  for (ggml_tensor* t = ggml_get_first_tensor(file.tensors.get()); t != nullptr;
       t = ggml_get_next_tensor(file.tensors.get(), t)) {
    gguf_add_tensor(out.get(), t);
    gguf_set_tensor_type(out.get(), t->name, GGML_TYPE_F32);
  }
  return out;
}

size_t data_bytes(const gguf_context* gguf) {
  const int64_t n = gguf_get_n_tensors(gguf);
  return n == 0 ? 0 : gguf_get_tensor_offset(gguf, n - 1) + gguf_get_tensor_size(gguf, n - 1);
}

Status dequantize(const ggml_tensor* tensor, const std::byte* from, int n_threads, float* to) {
  const int64_t k = tensor->ne[0], n_row = ggml_nrows(tensor);
  const size_t row_bytes = ggml_row_size(tensor->type, k);
  const auto to_float = ggml_get_type_traits(tensor->type)->to_float;
  if (tensor->type != GGML_TYPE_F32 && to_float == nullptr) {
    return Status::model(std::string(tensor->name) + " is " + ggml_type_name(tensor->type) +
                         ", which ggml does not dequantise");
  }
  constexpr int64_t kRowsAtOnce = 64;
  parallel_for(n_threads, (n_row + kRowsAtOnce - 1) / kRowsAtOnce, [&](int64_t block) {
    const int64_t end = std::min(n_row, (block + 1) * kRowsAtOnce);
    for (int64_t i = block * kRowsAtOnce; i < end; ++i) {
      if (to_float == nullptr) {
        std::memcpy(to + i * k, from + i * row_bytes, row_bytes);
      } else {
        to_float(from + i * row_bytes, to + i * k, k);
      }
    }
  });
  return {};
}

}  // namespace

Result<std::unique_ptr<TempFile>> write_float_model(const std::string& path, int n_threads) {
  RESTKV_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::open(path));
  RESTKV_ASSIGN_OR_RETURN(const auto mapped, MappedFile::open(path));
  const gguf_context_ptr metadata = float_metadata(file);
  const size_t head_bytes = gguf_get_meta_size(metadata.get());
  RESTKV_ASSIGN_OR_RETURN(std::unique_ptr<TempFile> out,
                          TempFile::create(head_bytes + data_bytes(metadata.get())));
  gguf_get_meta_data(metadata.get(), out->data());
  const std::byte* from = mapped->data() + gguf_get_data_offset(file.metadata.get());
  for (ggml_tensor* t = ggml_get_first_tensor(file.tensors.get()); t != nullptr;
       t = ggml_get_next_tensor(file.tensors.get(), t)) {
    const auto offset = [&](const gguf_context_ptr& gguf) {
      return gguf_get_tensor_offset(gguf.get(), gguf_find_tensor(gguf.get(), t->name));
    };
    auto* to = reinterpret_cast<float*>(out->data() + head_bytes + offset(metadata));
    RESTKV_RETURN_IF_ERROR(dequantize(t, from + offset(file.metadata), n_threads, to));
  }
  return out;
}

}  // namespace restkv::bench
