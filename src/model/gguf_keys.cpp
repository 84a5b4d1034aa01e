#include "model/gguf_keys.h"

#include <string>

namespace restkv {
namespace {

Status wrong_type(const std::string& key, const std::string& found, const std::string& expected) {
  return Status::model("key \"" + key + "\" has type " + found + " (expected: " + expected + ")");
}

std::string type_text(const gguf_context* gguf, int64_t id) {
  const gguf_type type = gguf_get_kv_type(gguf, id);
  if (type != GGUF_TYPE_ARRAY) return gguf_type_name(type);
  return std::string("array of ") + gguf_type_name(gguf_get_arr_type(gguf, id));
}

}  // namespace

Status GgufKeys::find(const std::string& key, bool required, gguf_type type, int64_t& id) const {
  id = gguf_find_key(gguf_, key.c_str());
  if (id < 0) return required ? Status::model("key \"" + key + "\" is missing") : Status();
  if (gguf_get_kv_type(gguf_, id) == type) return {};
  return wrong_type(key, type_text(gguf_, id), gguf_type_name(type));
}

Status GgufKeys::get_u16(const std::string& key, bool required, uint16_t& value) const {
  int64_t id = -1;
  RESTKV_RETURN_IF_ERROR(find(key, required, GGUF_TYPE_UINT16, id));
  if (id >= 0) value = gguf_get_val_u16(gguf_, id);
  return {};
}

Status GgufKeys::get_u32(const std::string& key, bool required, uint32_t& value) const {
  int64_t id = -1;
  RESTKV_RETURN_IF_ERROR(find(key, required, GGUF_TYPE_UINT32, id));
  if (id >= 0) value = gguf_get_val_u32(gguf_, id);
  return {};
}

Status GgufKeys::get_f32(const std::string& key, bool required, float& value) const {
  int64_t id = -1;
  RESTKV_RETURN_IF_ERROR(find(key, required, GGUF_TYPE_FLOAT32, id));
  if (id >= 0) value = gguf_get_val_f32(gguf_, id);
  return {};
}

Status GgufKeys::get_bool(const std::string& key, bool required, bool& value) const {
  int64_t id = -1;
  RESTKV_RETURN_IF_ERROR(find(key, required, GGUF_TYPE_BOOL, id));
  if (id >= 0) value = gguf_get_val_bool(gguf_, id);
  return {};
}

Status GgufKeys::get_string(const std::string& key, bool required, std::string& value) const {
  int64_t id = -1;
  RESTKV_RETURN_IF_ERROR(find(key, required, GGUF_TYPE_STRING, id));
  if (id >= 0) value = gguf_get_val_str(gguf_, id);
  return {};
}

Status GgufKeys::get_u32_per_layer(const std::string& key, bool required, uint32_t n,
                                   uint32_t& value) const {
  const int64_t id = gguf_find_key(gguf_, key.c_str());
  if (id < 0 || gguf_get_kv_type(gguf_, id) != GGUF_TYPE_ARRAY)
    return get_u32(key, required, value);
  const gguf_type type = gguf_get_arr_type(gguf_, id);
  if (type != GGUF_TYPE_UINT32 && type != GGUF_TYPE_INT32) {
    return wrong_type(key, type_text(gguf_, id), "u32 or array of u32");
  }
  if (gguf_get_arr_n(gguf_, id) != n || n == 0) {
    return Status::model("key \"" + key + "\" has " + std::to_string(gguf_get_arr_n(gguf_, id)) +
                         " values (expected: " + std::to_string(n) + ", one per layer)");
  }
  // A negative i32 becomes huge here and fails the caller's range check.
  const auto* values = static_cast<const uint32_t*>(gguf_get_arr_data(gguf_, id));
  for (uint32_t i = 1; i < n; ++i) {
    if (values[i] != values[0]) {
      return Status::model("key \"" + key + "\" differs between layers (" +
                           std::to_string(values[0]) + " and " + std::to_string(values[i]) +
                           "), which is not supported");
    }
  }
  value = values[0];
  return {};
}

Status GgufKeys::find_array(const std::string& key, bool required, gguf_type type,
                            int64_t& id) const {
  RESTKV_RETURN_IF_ERROR(find(key, required, GGUF_TYPE_ARRAY, id));
  if (id < 0 || gguf_get_arr_type(gguf_, id) == type) return {};
  return wrong_type(key, type_text(gguf_, id), std::string("array of ") + gguf_type_name(type));
}

}  // namespace restkv
