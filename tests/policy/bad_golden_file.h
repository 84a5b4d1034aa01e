// Files of saved tensors with something wrong about them.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "cli/golden_select.h"
#include "ggml.h"

namespace restkv::cli {

namespace fs = std::filesystem;

inline const fs::path kData = fs::path(RESTKV_SOURCE_DIR) / "tests/data/golden";

inline std::string read_bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Copies a GGUF file: `change` may alter metadata and data, `replace` gives each tensor's
// successor, made in the context, or null to leave it out.
inline void rewrite(const fs::path& from, const fs::path& to,
                    const std::function<void(gguf_context*, ggml_context*)>& change,
                    const std::function<ggml_tensor*(ggml_tensor*, ggml_context*)>& replace) {
  ggml_context* tensors = nullptr;
  gguf_context* in = gguf_init_from_file(from.c_str(), {.no_alloc = false, .ctx = &tensors});
  ASSERT_NE(in, nullptr);
  ggml_context* extra = ggml_init({.mem_size = 1 << 20, .mem_buffer = nullptr, .no_alloc = false});
  gguf_context* out = gguf_init_empty();
  gguf_set_kv(out, in);
  change(out, tensors);
  for (int64_t i = 0; i < gguf_get_n_tensors(in); ++i) {
    ggml_tensor* tensor = replace(ggml_get_tensor(tensors, gguf_get_tensor_name(in, i)), extra);
    if (tensor != nullptr) gguf_add_tensor(out, tensor);
  }
  EXPECT_TRUE(gguf_write_to_file(out, to.c_str(), false));
  gguf_free(out);
  gguf_free(in);
  ggml_free(extra);
  ggml_free(tensors);
}

// The file with tensor `name` replaced by zeros of another type and shape.
inline void write_with(const fs::path& from, const fs::path& to, const std::string& name,
                       ggml_type type, const std::array<int64_t, 3>& ne) {
  const auto replace = [&](ggml_tensor* tensor, ggml_context* context) {
    if (tensor->name != name) return tensor;
    ggml_tensor* other = ggml_new_tensor_3d(context, type, ne[0], ne[1], ne[2]);
    std::memset(other->data, 0, ggml_nbytes(other));
    return ggml_set_name(other, name.c_str());
  };
  rewrite(
      from, to, [](gguf_context*, ggml_context*) {}, replace);
}

inline void write_without(const fs::path& from, const fs::path& to, const std::string& name) {
  rewrite(
      from, to, [](gguf_context*, ggml_context*) {},
      [&](ggml_tensor* tensor, ggml_context*) { return tensor->name == name ? nullptr : tensor; });
}

class BadGoldenFile : public testing::Test {
 protected:
  void SetUp() override {
    path_ = fs::temp_directory_path() / ("restkv-bad-" + std::to_string(getpid()) + ".gguf");
  }
  void TearDown() override { fs::remove(path_); }

  void write(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary).write(bytes.data(), bytes.size());
  }

  Status read() const {
    RESTKV_ASSIGN_OR_RETURN(const GoldenFile file, GoldenFile::open(path_));
    RESTKV_ASSIGN_OR_RETURN(const GoldenCase c, read_golden_case(file));
    return run_golden_case(c).status();
  }

  void expect_rejected(const std::string& what) const {
    const Status status = read();
    ASSERT_FALSE(status.ok()) << what;
    EXPECT_EQ(status.kind(), ErrorKind::model) << what << ": " << status.message();
    EXPECT_FALSE(status.message().empty()) << what;
    EXPECT_EQ(status.message().find('\n'), std::string::npos) << what;
  }

  // Writes the case with its metadata and tensors changed by `change`.
  void write_changed(const std::string& name,
                     const std::function<void(gguf_context*, ggml_context*)>& change) const {
    rewrite(kData / name, path_, change, [](ggml_tensor* tensor, ggml_context*) { return tensor; });
  }

  fs::path path_;
};

}  // namespace restkv::cli
