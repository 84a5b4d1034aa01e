// The weights of a model: the file mapped read-only, and the tensors that the CPU backend wants in
// a layout of its own ("repack" buffers) copied once, as libllama does by default.
//
// Thread safety: read-only after load().
#pragma once

#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "ggml-backend.h"
#include "ggml-cpp.h"
#include "ggml.h"
#include "gguf.h"
#include "model/hparams.h"
#include "restkv/status.h"

namespace restkv {

// A read-only mapping of a whole file.
class MappedFile {
 public:
  static Result<std::unique_ptr<MappedFile>> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  MappedFile(std::byte* data, size_t size) : data_(data), size_(size) {}
  std::byte* data_;
  size_t size_;
};

// A matrix of the model. `operand` is for ggml_mul_mat, perhaps in a packed layout; `file` is as it
// lies in the mapping. They are the same where nothing was packed; both null where the file has no
// such tensor.
struct Matrix {
  ggml_tensor *operand = nullptr, *file = nullptr;
};

class Weights {
 public:
  // Whether a type's matrices stay as they lie in the file, because kernels of ours read them.
  using StaysInFile = bool (*)(ggml_type type);

  // REQUIRES: the file has passed check_gguf_file and check_tensors.
  // Errors: model, capacity (no memory for repacked weights).
  static Result<std::unique_ptr<Weights>> load(const std::string& path, gguf_context* metadata,
                                               ggml_context_ptr tensors, StaysInFile stays_in_file);

  Matrix matrix(const std::string& name) const;
  // The tensor as it lies in the file (element-wise operands, rows to look up, dequantisation).
  ggml_tensor* plain(const std::string& name) const;

  // Columns first .. first + count - 1 of all rows of a 2-d tensor of the file as float: out
  // [ne1][count]. REQUIRES: both are multiples of the block of its type.
  void dequantize_columns(const std::string& name, int64_t first, int64_t count, float* out) const;

 private:
  Status repack(StaysInFile stays_in_file);

  std::unique_ptr<MappedFile> file_;
  ggml_backend_buffer_ptr file_buffer_;
  ggml_context_ptr tensors_;                         // views of the file
  std::vector<ggml_context_ptr> repacked_contexts_;  // one a buffer type
  std::vector<ggml_backend_buffer_ptr> repacked_buffers_;
  std::unordered_map<std::string, ggml_tensor*> repacked_;
};

}  // namespace restkv
