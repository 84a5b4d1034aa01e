// A short name for a text, to tell apart what was used from what was not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace restkv {

// FNV-1a, 64 bits, as 16 hexadecimal digits. It guards against mistakes, not against forgery.
inline std::string fingerprint(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3u;
  }
  std::string digits(16, '0');
  for (size_t i = 0; i < digits.size(); ++i)
    digits[i] = "0123456789abcdef"[hash >> (60 - 4 * i) & 15];
  return digits;
}

}  // namespace restkv
