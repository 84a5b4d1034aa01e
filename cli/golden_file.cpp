#include "cli/golden_file.h"

#include <cmath>
#include <fstream>
#include <new>
#include <optional>
#include <string_view>

#include "ggml.h"
#include "model/gguf_check.h"

namespace restkv::cli {
namespace {

constexpr const char* kPrefix = "golden.";

std::optional<int64_t> as_integer(const gguf_context* gguf, int64_t id) {
  switch (gguf_get_kv_type(gguf, id)) {
    case GGUF_TYPE_UINT8:
      return gguf_get_val_u8(gguf, id);
    case GGUF_TYPE_INT8:
      return gguf_get_val_i8(gguf, id);
    case GGUF_TYPE_UINT16:
      return gguf_get_val_u16(gguf, id);
    case GGUF_TYPE_INT16:
      return gguf_get_val_i16(gguf, id);
    case GGUF_TYPE_UINT32:
      return gguf_get_val_u32(gguf, id);
    case GGUF_TYPE_INT32:
      return gguf_get_val_i32(gguf, id);
    case GGUF_TYPE_INT64:
      return gguf_get_val_i64(gguf, id);
    case GGUF_TYPE_UINT64: {
      const uint64_t value = gguf_get_val_u64(gguf, id);
      if (value <= static_cast<uint64_t>(INT64_MAX)) return static_cast<int64_t>(value);
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> as_real(const gguf_context* gguf, int64_t id) {
  if (gguf_get_kv_type(gguf, id) == GGUF_TYPE_FLOAT32) return gguf_get_val_f32(gguf, id);
  if (gguf_get_kv_type(gguf, id) == GGUF_TYPE_FLOAT64) return gguf_get_val_f64(gguf, id);
  if (const auto integer = as_integer(gguf, id)) return static_cast<double>(*integer);
  return std::nullopt;
}

std::string text_of(const GoldenFile::Shape& shape) {
  std::string text;
  for (int64_t length : shape) {
    text += (text.empty() ? "[" : ", ") + (length < 0 ? "any" : std::to_string(length));
  }
  return text + "]";
}

}  // namespace

Status rejected_file(const std::string& path, const std::string& why) {
  return Status::model(printable(path) + ": " + why);
}

Result<GoldenFile> GoldenFile::open(const std::string& path) {
  RESTKV_RETURN_IF_ERROR(check_gguf_file(path));
  GoldenFile file;
  file.path_ = path;
  file.gguf_.reset(gguf_init_from_file(path.c_str(), {.no_alloc = true, .ctx = nullptr}));
  if (file.gguf_ == nullptr) return rejected_file(path, "ggml cannot read it as a GGUF file");
  const int64_t id = gguf_find_key(file.gguf_.get(), "general.architecture");
  if (id < 0 || gguf_get_kv_type(file.gguf_.get(), id) != GGUF_TYPE_STRING) {
    return rejected_file(path, "it has no text general.architecture; saved tensors say 'golden'");
  }
  const std::string architecture = gguf_get_val_str(file.gguf_.get(), id);
  if (architecture != "golden") {
    return rejected_file(path, "general.architecture is '" + printable(architecture) +
                                   "'; saved tensors say 'golden'");
  }
  return file;
}

int64_t GoldenFile::find(const std::string& key) const {
  return gguf_find_key(gguf_.get(), (kPrefix + key).c_str());
}

bool GoldenFile::has_tensor(const std::string& name) const {
  return gguf_find_tensor(gguf_.get(), name.c_str()) >= 0;
}

Status GoldenFile::missing(const std::string& key) const {
  return rejected_file(path_, kPrefix + key + " is missing");
}

Result<int64_t> GoldenFile::get_int(const std::string& key, int64_t min, int64_t max) const {
  const int64_t id = find(key);
  if (id < 0) return missing(key);
  const auto value = as_integer(gguf_.get(), id);
  if (!value) return rejected_file(path_, kPrefix + key + " is no integer");
  if (*value < min || *value > max) {
    return rejected_file(path_, kPrefix + key + " is " + std::to_string(*value) +
                                    ", it must be from " + std::to_string(min) + " to " +
                                    std::to_string(max));
  }
  return *value;
}

Result<double> GoldenFile::get_real(const std::string& key) const {
  const int64_t id = find(key);
  if (id < 0) return missing(key);
  const auto value = as_real(gguf_.get(), id);
  if (!value || !std::isfinite(*value)) {
    return rejected_file(path_, kPrefix + key + " is no finite number");
  }
  return *value;
}

Result<bool> GoldenFile::get_bool(const std::string& key) const {
  const int64_t id = find(key);
  if (id < 0) return missing(key);
  if (gguf_get_kv_type(gguf_.get(), id) != GGUF_TYPE_BOOL) {
    return rejected_file(path_, kPrefix + key + " is no switch (bool)");
  }
  return gguf_get_val_bool(gguf_.get(), id);
}

Result<std::string> GoldenFile::get_string(const std::string& key) const {
  const int64_t id = find(key);
  if (id < 0) return missing(key);
  if (gguf_get_kv_type(gguf_.get(), id) != GGUF_TYPE_STRING) {
    return rejected_file(path_, kPrefix + key + " is no text");
  }
  return std::string(gguf_get_val_str(gguf_.get(), id));
}

int64_t GoldenFile::axis(const std::string& name, int which) const {
  return gguf_get_tensor_ne(gguf_.get(), gguf_find_tensor(gguf_.get(), name.c_str()))[which];
}

template <typename T>
Result<std::vector<T>> GoldenFile::read(const std::string& name, ggml_type type,
                                        const Shape& shape) const {
  const int64_t id = gguf_find_tensor(gguf_.get(), name.c_str());
  if (id < 0) return rejected_file(path_, "tensor '" + name + "' is missing");
  if (gguf_get_tensor_type(gguf_.get(), id) != type) {
    return rejected_file(path_, "tensor '" + name + "' is of type " +
                                    ggml_type_name(gguf_get_tensor_type(gguf_.get(), id)) +
                                    ", it must be " + ggml_type_name(type));
  }
  const int64_t* ne = gguf_get_tensor_ne(gguf_.get(), id);
  const Shape actual = {ne[0], ne[1], ne[2]};
  bool fits = ne[3] == 1;
  for (size_t i = 0; i < shape.size(); ++i)
    fits &= shape[i] < 0 || shape[i] == actual[i];
  if (!fits) {
    return rejected_file(path_, "tensor '" + name + "' has the shape " + text_of(actual) +
                                    ", it must be " + text_of(shape));
  }
  const size_t n_byte = gguf_get_tensor_size(gguf_.get(), id);
  const size_t offset = gguf_get_data_offset(gguf_.get()) + gguf_get_tensor_offset(gguf_.get(), id);
  try {
    std::vector<T> data(n_byte / sizeof(T));
    std::ifstream in(path_, std::ios::binary);
    in.seekg(static_cast<std::streamoff>(offset));
    in.read(reinterpret_cast<char*>(data.data()), static_cast<std::streamsize>(n_byte));
    if (!in) return rejected_file(path_, "tensor '" + name + "' cannot be read");
    return data;
  } catch (const std::bad_alloc&) {
    return Status::capacity(path_ + ": no memory for tensor '" + name + "' of " +
                            std::to_string(n_byte) + " bytes");
  }
}

Result<std::vector<float>> GoldenFile::read_f32(const std::string& name, const Shape& shape) const {
  RESTKV_ASSIGN_OR_RETURN(std::vector<float> data, read<float>(name, GGML_TYPE_F32, shape));
  for (float value : data) {
    if (!std::isfinite(value)) {
      return rejected_file(path_, "tensor '" + name + "' holds NaN or infinity");
    }
  }
  return data;
}

Result<std::vector<int32_t>> GoldenFile::read_i32(const std::string& name,
                                                  const Shape& shape) const {
  return read<int32_t>(name, GGML_TYPE_I32, shape);
}

}  // namespace restkv::cli
