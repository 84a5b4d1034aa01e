// Memory that is too large to be anonymous: a file without a name in $TMPDIR (or /tmp), mapped. The
// system frees it when the process ends, however it ends.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "restkv/status.h"

namespace restkv::bench {

class TempFile {
 public:
  // n_byte bytes, zeros. Errors: runtime (no such folder), capacity (no room for them).
  static Result<std::unique_ptr<TempFile>> create(size_t n_byte);
  ~TempFile();
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;

  std::byte* data() const { return data_; }
  // For this process alone, as long as the object lives.
  std::string path() const;

 private:
  TempFile(int descriptor, size_t n_byte) : descriptor_(descriptor), size_(n_byte) {}

  int descriptor_;
  size_t size_;
  std::byte* data_ = nullptr;
};

}  // namespace restkv::bench
