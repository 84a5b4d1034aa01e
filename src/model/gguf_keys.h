// Typed access to a GGUF file's metadata. ggml's own getters end the process when a key has another
// type than the getter's; these refuse it by name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gguf.h"
#include "restkv/status.h"

namespace restkv {

// Borrows `gguf`. Every get_* leaves `value` as it is and returns ok when the key is absent and not
// `required`; the types are those libllama demands.
class GgufKeys {
 public:
  explicit GgufKeys(const gguf_context* gguf) : gguf_(gguf) {}

  bool has(const std::string& key) const { return gguf_find_key(gguf_, key.c_str()) >= 0; }

  Status get_u16(const std::string& key, bool required, uint16_t& value) const;
  Status get_u32(const std::string& key, bool required, uint32_t& value) const;
  Status get_f32(const std::string& key, bool required, float& value) const;
  Status get_bool(const std::string& key, bool required, bool& value) const;
  Status get_string(const std::string& key, bool required, std::string& value) const;

  // A u32, or an array of `n` equal ones (a value per layer). Values that differ are refused.
  Status get_u32_per_layer(const std::string& key, bool required, uint32_t n,
                           uint32_t& value) const;

  // Checks that `key` holds an array of `type`; `id` is then its index for gguf_get_arr_*, or -1.
  Status find_array(const std::string& key, bool required, gguf_type type, int64_t& id) const;

 private:
  Status find(const std::string& key, bool required, gguf_type type, int64_t& id) const;

  const gguf_context* gguf_;
};

}  // namespace restkv
