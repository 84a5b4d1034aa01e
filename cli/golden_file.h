// Typed reading of a GGUF file of saved tensors (architecture "golden"): nothing in it can end the
// process, whatever its types, shapes and counts claim.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gguf.h"
#include "restkv/status.h"

namespace restkv::cli {

// The path and message of an input file that is rejected.
Status rejected_file(const std::string& path, const std::string& why);

// Thread safety: none.
class GoldenFile {
 public:
  // Errors (ErrorKind::model): no such file, not a sound GGUF file, another architecture.
  static Result<GoldenFile> open(const std::string& path);

  const std::string& path() const { return path_; }
  bool has_key(const std::string& key) const { return find(key) >= 0; }
  bool has_tensor(const std::string& name) const;

  // Metadata "golden.<key>". Errors: missing, another type, or outside min .. max. Numbers may be
  // stored in any integer or real type that holds their value.
  Result<int64_t> get_int(const std::string& key, int64_t min, int64_t max) const;
  Result<double> get_real(const std::string& key) const;
  Result<bool> get_bool(const std::string& key) const;
  Result<std::string> get_string(const std::string& key) const;

  // A tensor's elements. `shape` is its ne, fastest axis first; -1 in it allows any length.
  // Errors: missing, another type or shape, not readable.
  using Shape = std::array<int64_t, 3>;
  Result<std::vector<float>> read_f32(const std::string& name, const Shape& shape) const;
  Result<std::vector<int32_t>> read_i32(const std::string& name, const Shape& shape) const;
  // The length of one axis of a tensor that exists.
  int64_t axis(const std::string& name, int which) const;

 private:
  struct Free {
    void operator()(gguf_context* gguf) const { gguf_free(gguf); }
  };

  int64_t find(const std::string& key) const;
  Status missing(const std::string& key) const;
  template <typename T>
  Result<std::vector<T>> read(const std::string& name, ggml_type type, const Shape& shape) const;

  std::string path_;
  std::unique_ptr<gguf_context, Free> gguf_;
};

}  // namespace restkv::cli
