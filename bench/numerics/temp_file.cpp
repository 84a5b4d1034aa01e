#include "bench/numerics/temp_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace restkv::bench {
namespace {

std::string folder() {
  const char* set = getenv("TMPDIR");
  return set == nullptr || *set == '\0' ? "/tmp" : set;
}

// Without a name from the start; where the file system has no such files it loses its name at once.
int open_nameless() {
  const int descriptor = open(folder().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor >= 0) return descriptor;
  std::string name = folder() + "/restkv-XXXXXX";
  const int named = mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) unlink(name.c_str());
  return named;
}

}  // namespace

Result<std::unique_ptr<TempFile>> TempFile::create(size_t n_byte) {
  const int descriptor = open_nameless();
  if (descriptor < 0) {
    return Status::runtime("cannot write to " + folder() + ": " + std::strerror(errno));
  }
  std::unique_ptr<TempFile> file(new TempFile(descriptor, n_byte));
  // A full disk is an error here and a signal later.
  int error = posix_fallocate(descriptor, 0, static_cast<off_t>(n_byte));
  if (error == 0) {
    void* data = mmap(nullptr, n_byte, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    error = data == MAP_FAILED ? errno : 0;
    if (error == 0) file->data_ = static_cast<std::byte*>(data);
  }
  if (error == 0) return file;
  return Status::capacity(folder() + " has no room for " + std::to_string(n_byte >> 20) +
                          " MiB: " + std::strerror(error));
}

TempFile::~TempFile() {
  if (data_ != nullptr) munmap(data_, size_);
  close(descriptor_);
}

std::string TempFile::path() const {
  return "/proc/self/fd/" + std::to_string(descriptor_);
}

}  // namespace restkv::bench
