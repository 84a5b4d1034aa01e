#include "model/gguf_check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <unordered_set>
#include <vector>

#include "ggml.h"
#include "gguf.h"

namespace restkv {
namespace {

// Far above any real model, and low enough that ggml's own copies of the lists stay small.
constexpr uint64_t kMaxKeys = 1u << 16;
constexpr uint64_t kMaxTensors = 1u << 18;
constexpr uint64_t kMaxArray = 1u << 24;
constexpr uint64_t kMaxKeyBytes = 65535;
// Below 8 the weights would not even be aligned for float; above 1 MiB no writer goes.
constexpr uint32_t kMinAlignment = 8;
constexpr uint32_t kMaxAlignment = 1u << 20;

std::string number(uint64_t value) {
  return std::to_string(value);
}

// The whole file, mapped read-only. Pipes, directories and devices are refused.
class InputFile {
 public:
  InputFile() = default;
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile();

  Status open(const std::string& path);

  const uint8_t* data() const { return data_; }
  uint64_t size() const { return size_; }

 private:
  Status map(int fd);

  const uint8_t* data_ = nullptr;
  uint64_t size_ = 0;
};

InputFile::~InputFile() {
  if (data_ != nullptr) ::munmap(const_cast<uint8_t*>(data_), size_);
}

Status InputFile::open(const std::string& path) {
  // Without O_NONBLOCK opening a pipe would wait for a writer.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return Status::model(std::string("cannot open it: ") + std::strerror(errno));
  Status status = map(fd);
  ::close(fd);
  return status;
}

Status InputFile::map(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    return Status::model(std::string("cannot read it: ") + std::strerror(errno));
  }
  if (S_ISDIR(info.st_mode)) return Status::model("is a directory, not a file");
  if (!S_ISREG(info.st_mode)) return Status::model("is not a regular file");
  if (info.st_size == 0) return Status::model("the file is empty");
  void* at = ::mmap(nullptr, info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (at == MAP_FAILED) {
    return Status::model(std::string("cannot read it: ") + std::strerror(errno));
  }
  size_ = static_cast<uint64_t>(info.st_size);
  data_ = static_cast<const uint8_t*>(at);
  return {};
}

// What a file without the GGUF magic seems to be, in words for the message.
std::string guess_format(std::string_view head) {
  const auto starts = [&](std::string_view prefix) {
    return head.substr(0, prefix.size()) == prefix;
  };
  const size_t text = head.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  if (text != std::string_view::npos && head[text] == '<') {
    return "it looks like an HTML or XML page (a failed download?)";
  }
  if (starts("version https://git-lfs")) return "it is a Git LFS pointer, not the file itself";
  if (starts("PK\x03\x04")) return "it looks like a ZIP archive or a PyTorch checkpoint";
  if (starts("\x1f\x8b")) return "it looks like a gzip archive";
  if (starts("FUGG")) return "it looks like a big-endian GGUF file";
  if (starts("tjgg") || starts("lmgg") || starts("fmgg") || starts("algg")) {
    return "it is a GGML file from before GGUF; convert it";
  }
  if (head.size() > 8 && head[8] == '{') return "it looks like a safetensors file; convert it";
  return "it begins with \"" + printable(head.substr(0, 4)) + "\", not with \"GGUF\"";
}

size_t scalar_size(uint32_t type) {
  switch (type) {
    case GGUF_TYPE_UINT8:
    case GGUF_TYPE_INT8:
    case GGUF_TYPE_BOOL:
      return 1;
    case GGUF_TYPE_UINT16:
    case GGUF_TYPE_INT16:
      return 2;
    case GGUF_TYPE_UINT32:
    case GGUF_TYPE_INT32:
    case GGUF_TYPE_FLOAT32:
      return 4;
    case GGUF_TYPE_UINT64:
    case GGUF_TYPE_INT64:
    case GGUF_TYPE_FLOAT64:
      return 8;
    default:
      return 0;
  }
}

struct TensorInfo {
  std::string_view name;
  int64_t ne[GGML_MAX_DIMS] = {1, 1, 1, 1};
  uint64_t offset = 0;   // from the start of the data section
  uint64_t n_bytes = 0;  // without padding
};

// Walks the file once, in its order. Every read is checked against the end of the file.
class Checker {
 public:
  Checker(const uint8_t* data, uint64_t size) : data_(data), size_(size) {}

  Status run() {
    RESTKV_RETURN_IF_ERROR(header());
    for (uint64_t i = 0; i < n_keys_; ++i)
      RESTKV_RETURN_IF_ERROR(key_value(i));
    // ggml checks the alignment after all keys; a later key may set it.
    uint64_t expected_offset = 0;
    std::vector<TensorInfo> tensors;
    for (uint64_t i = 0; i < n_tensors_; ++i) {
      TensorInfo info;
      RESTKV_RETURN_IF_ERROR(tensor_info(i, info));
      RESTKV_RETURN_IF_ERROR(place(info, expected_offset));
      tensors.push_back(info);
    }
    return inside_file(tensors);
  }

 private:
  template <typename T>
  bool read(T& value) {
    if (size_ - pos_ < sizeof(T)) return false;
    std::memcpy(&value, data_ + pos_, sizeof(T));
    pos_ += sizeof(T);
    return true;
  }

  bool skip(uint64_t n) {
    if (size_ - pos_ < n) return false;
    pos_ += n;
    return true;
  }

  bool read_string(std::string_view& text) {
    uint64_t length = 0;
    if (!read(length)) return false;
    if (size_ - pos_ < length) return false;
    text = {reinterpret_cast<const char*>(data_ + pos_), static_cast<size_t>(length)};
    pos_ += length;
    return true;
  }

  Status truncated(const std::string& where) const {
    return Status::model("truncated or corrupt: " + where + " goes past the end of the file (" +
                         number(size_) + " bytes)");
  }

  Status header();
  Status version();
  Status key_value(uint64_t index);
  Status value(const std::string& name, uint32_t type);
  Status array(const std::string& name);
  Status alignment(uint32_t type);
  Status tensor_info(uint64_t index, TensorInfo& info);
  Status shape(const std::string& name, TensorInfo& info);
  Status type_and_size(const std::string& name, TensorInfo& info);
  Status place(const TensorInfo& info, uint64_t& expected_offset) const;
  Status inside_file(const std::vector<TensorInfo>& tensors) const;

  const uint8_t* data_;
  uint64_t size_;
  uint64_t pos_ = 0;
  uint64_t n_keys_ = 0;
  uint64_t n_tensors_ = 0;
  uint32_t alignment_ = GGUF_DEFAULT_ALIGNMENT;
  std::unordered_set<std::string_view> keys_;
  std::unordered_set<std::string_view> tensor_names_;
};

Status Checker::header() {
  const std::string_view head(reinterpret_cast<const char*>(data_), std::min<uint64_t>(size_, 64));
  if (head.substr(0, 4) != "GGUF") {
    // A file that ends inside the magic is a truncated GGUF, not another format.
    if (size_ < 4 && std::string_view("GGUF").substr(0, size_) == head)
      return truncated("the magic");
    return Status::model("not a GGUF file: " + guess_format(head));
  }
  pos_ = 4;
  RESTKV_RETURN_IF_ERROR(version());
  if (!read(n_tensors_) || !read(n_keys_)) return truncated("the header");
  if (n_tensors_ > kMaxTensors) {
    return Status::model("tensor count " + number(n_tensors_) + " is not in 0.." +
                         number(kMaxTensors));
  }
  if (n_keys_ > kMaxKeys) {
    return Status::model("metadata key count " + number(n_keys_) + " is not in 0.." +
                         number(kMaxKeys));
  }
  return {};
}

Status Checker::version() {
  uint32_t version = 0;
  if (!read(version)) return truncated("the header");
  if ((version & 0xffff) == 0 && version != 0) {
    return Status::model("the file is big-endian (version bytes " + number(version) +
                         "); only little-endian GGUF is supported");
  }
  if (version < 2 || version > GGUF_VERSION) {
    return Status::model("GGUF version " + number(version) + " is not supported (allowed: 2 to " +
                         number(GGUF_VERSION) + ")");
  }
  return {};
}

Status Checker::key_value(uint64_t index) {
  std::string_view key;
  const std::string where = "metadata key " + number(index + 1) + " of " + number(n_keys_);
  if (!read_string(key)) return truncated(where);
  // ggml hands names on as C strings: with a NUL inside two different keys would look the same.
  if (key.empty() || key.size() > kMaxKeyBytes || key.find('\0') != std::string_view::npos) {
    return Status::model(where + " has a bad name of " + number(key.size()) +
                         " bytes (allowed: 1 to 65535, no NUL)");
  }
  const std::string name = "key \"" + printable(key) + "\"";
  if (!keys_.insert(key).second) return Status::model(name + " occurs twice");
  uint32_t type = 0;
  if (!read(type)) return truncated(name);
  if (key == "general.alignment") return alignment(type);
  return type == GGUF_TYPE_ARRAY ? array(name) : value(name, type);
}

Status Checker::value(const std::string& name, uint32_t type) {
  if (type == GGUF_TYPE_STRING) {
    std::string_view text;
    return read_string(text) ? Status() : truncated(name);
  }
  const size_t n_bytes = scalar_size(type);
  if (n_bytes == 0) {
    return Status::model(name + " has unknown type " + number(type) + " (allowed: 0 to " +
                         number(GGUF_TYPE_COUNT - 1) + ")");
  }
  return skip(n_bytes) ? Status() : truncated(name);
}

Status Checker::array(const std::string& name) {
  uint32_t type = 0;
  uint64_t n = 0;
  if (!read(type) || !read(n)) return truncated(name);
  if (type == GGUF_TYPE_ARRAY) {
    return Status::model(name + " is an array of arrays, which GGUF readers do not support");
  }
  if (n > kMaxArray) {
    return Status::model(name + " has " + number(n) + " elements (allowed: up to " +
                         number(kMaxArray) + ")");
  }
  if (type != GGUF_TYPE_STRING) {
    const size_t n_bytes = scalar_size(type);
    if (n_bytes == 0) return Status::model(name + " has unknown element type " + number(type));
    return skip(n * n_bytes) ? Status() : truncated(name);
  }
  std::string_view text;
  for (uint64_t i = 0; i < n; ++i) {
    if (!read_string(text)) return truncated(name + " element " + number(i));
  }
  return {};
}

Status Checker::alignment(uint32_t type) {
  if (type != GGUF_TYPE_UINT32) {
    return Status::model("key \"general.alignment\" has type " + number(type) +
                         " (allowed: 4, unsigned 32-bit)");
  }
  if (!read(alignment_)) return truncated("key \"general.alignment\"");
  if (!std::has_single_bit(alignment_) || alignment_ < kMinAlignment ||
      alignment_ > kMaxAlignment) {
    return Status::model("general.alignment " + number(alignment_) + " is not a power of two in " +
                         number(kMinAlignment) + ".." + number(kMaxAlignment));
  }
  return {};
}

Status Checker::tensor_info(uint64_t index, TensorInfo& info) {
  const std::string where = "tensor " + number(index + 1) + " of " + number(n_tensors_);
  if (!read_string(info.name)) return truncated(where);
  if (info.name.empty() || info.name.size() >= GGML_MAX_NAME ||
      info.name.find('\0') != std::string_view::npos) {
    return Status::model(where + " has a bad name of " + number(info.name.size()) +
                         " bytes (allowed: 1 to " + number(GGML_MAX_NAME - 1) + ", no NUL)");
  }
  const std::string name = "tensor \"" + printable(info.name) + "\"";
  if (!tensor_names_.insert(info.name).second) return Status::model(name + " occurs twice");
  RESTKV_RETURN_IF_ERROR(shape(name, info));
  RESTKV_RETURN_IF_ERROR(type_and_size(name, info));
  return read(info.offset) ? Status() : truncated(name);
}

Status Checker::shape(const std::string& name, TensorInfo& info) {
  uint32_t n_dims = 0;
  if (!read(n_dims)) return truncated(name);
  if (n_dims < 1 || n_dims > GGML_MAX_DIMS) {
    return Status::model(name + " has " + number(n_dims) + " dimensions (allowed: 1 to " +
                         number(GGML_MAX_DIMS) + ")");
  }
  int64_t n_elements = 1;
  for (uint32_t d = 0; d < n_dims; ++d) {
    if (!read(info.ne[d])) return truncated(name);
    if (info.ne[d] < 1) {
      return Status::model(name + " dimension " + number(d) + " is " + std::to_string(info.ne[d]) +
                           " (allowed: 1 or more)");
    }
    if (__builtin_mul_overflow(n_elements, info.ne[d], &n_elements)) {
      return Status::model(name + " dimension " + number(d) + " is " + std::to_string(info.ne[d]) +
                           ", which overflows the element count");
    }
  }
  return {};
}

Status Checker::type_and_size(const std::string& name, TensorInfo& info) {
  uint32_t type = 0;
  if (!read(type)) return truncated(name);
  // Numbers of types that ggml has dropped are in range but have no block size.
  const int64_t block = type < GGML_TYPE_COUNT ? ggml_blck_size(static_cast<ggml_type>(type)) : 0;
  if (block == 0) {
    return Status::model(name + " has unknown type " + number(type) +
                         " (allowed: ggml types below " + number(GGML_TYPE_COUNT) +
                         " that still exist)");
  }
  if (info.ne[0] % block != 0) {
    return Status::model(name + " has rows of " + std::to_string(info.ne[0]) +
                         " elements, not a multiple of the block size " + std::to_string(block) +
                         " of " + ggml_type_name(static_cast<ggml_type>(type)));
  }
  uint64_t n_bytes = ggml_type_size(static_cast<ggml_type>(type));
  bool overflow = __builtin_mul_overflow(n_bytes, info.ne[0] / block, &n_bytes);
  for (int d = 1; d < GGML_MAX_DIMS; ++d) {
    overflow = overflow || __builtin_mul_overflow(n_bytes, info.ne[d], &n_bytes);
  }
  if (overflow || n_bytes > INT64_MAX)
    return Status::model(name + " has a size in bytes that overflows");
  info.n_bytes = n_bytes;
  return {};
}

// ggml wants the tensors packed in the order of the list: each begins where the one before ends,
// padded. That also rules out overlaps.
Status Checker::place(const TensorInfo& info, uint64_t& expected_offset) const {
  const std::string name = "tensor \"" + printable(info.name) + "\"";
  if (info.offset % alignment_ != 0) {
    return Status::model(name + " has data offset " + number(info.offset) +
                         ", not a multiple of the alignment " + number(alignment_));
  }
  if (info.offset != expected_offset) {
    return Status::model(
        name + " has data offset " + number(info.offset) + ", which " +
        (info.offset < expected_offset ? "overlaps another tensor" : "leaves a gap") +
        " (expected: " + number(expected_offset) + ")");
  }
  const uint64_t padded = (info.n_bytes + alignment_ - 1) / alignment_ * alignment_;
  if (__builtin_add_overflow(expected_offset, padded, &expected_offset)) {
    return Status::model(name + " has a size of " + number(info.n_bytes) +
                         " bytes, which overflows");
  }
  return {};
}

Status Checker::inside_file(const std::vector<TensorInfo>& tensors) const {
  const uint64_t data_start = (pos_ + alignment_ - 1) / alignment_ * alignment_;
  if (!tensors.empty() && data_start > size_)
    return truncated("the padding before the tensor data");
  for (const TensorInfo& info : tensors) {
    const uint64_t room = size_ - data_start;
    if (info.offset > room || info.n_bytes > room - info.offset) {
      return truncated("tensor \"" + printable(info.name) + "\" (" + number(info.n_bytes) +
                       " bytes at " + number(info.offset) + " of the data section)");
    }
  }
  return {};
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr size_t kMax = 64;
  std::string out;
  for (const char c : text.substr(0, kMax))
    out += (c >= 0x20 && c < 0x7f) ? c : '?';
  if (text.size() > kMax) out += "...";
  return out;
}

Status check_gguf_file(const std::string& path) {
  InputFile file;
  Status status = file.open(path);
  if (status.ok()) status = Checker(file.data(), file.size()).run();
  if (status.ok()) return status;
  return Status::model(path + ": " + status.message());
}

}  // namespace restkv
