#include "model/gguf_check.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "ggml.h"
#include "gguf.h"

namespace restkv {
namespace {

using GgufPtr = std::unique_ptr<gguf_context, decltype(&gguf_free)>;

// A small valid file with a key of every kind and tensors of two types.
class GgufCheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "restkv_gguf_check_" + std::to_string(::getpid()) + ".gguf";
    GgufPtr gguf(gguf_init_empty(), gguf_free);
    gguf_set_val_str(gguf.get(), "general.architecture", "llama");
    gguf_set_val_u32(gguf.get(), "llama.block_count", 3);
    gguf_set_val_f32(gguf.get(), "llama.rope.freq_base", 10000.0f);
    gguf_set_val_bool(gguf.get(), "tokenizer.ggml.add_bos_token", true);
    const char* tokens[] = {"<s>", "the", ""};
    gguf_set_arr_str(gguf.get(), "tokenizer.ggml.tokens", tokens, 3);
    const int32_t types[] = {3, 1, 1};
    gguf_set_arr_data(gguf.get(), "tokenizer.ggml.token_type", GGUF_TYPE_INT32, types, 3);
    ggml_context* tensors = ggml_init({1 << 16, nullptr, false});
    for (const auto& [name, type] : {std::pair{"a", GGML_TYPE_F32}, {"b", GGML_TYPE_Q8_0}}) {
      ggml_tensor* tensor = ggml_new_tensor_2d(tensors, type, 32, 3);
      std::memset(tensor->data, 0, ggml_nbytes(tensor));
      ggml_set_name(tensor, name);
      gguf_add_tensor(gguf.get(), tensor);
    }
    ASSERT_TRUE(gguf_write_to_file(gguf.get(), path_.c_str(), false));
    ggml_free(tensors);
    std::ifstream file(path_, std::ios::binary);
    good_.assign(std::istreambuf_iterator<char>(file), {});
  }

  void TearDown() override { ::unlink(path_.c_str()); }

  Status check(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary).write(bytes.data(), bytes.size());
    return check_gguf_file(path_);
  }

  std::string path_;
  std::string good_;
};

TEST_F(GgufCheckTest, AcceptsWhatGgmlWrites) {
  EXPECT_TRUE(check_gguf_file(path_).ok()) << check_gguf_file(path_).message();
}

TEST_F(GgufCheckTest, RefusesEveryTruncation) {
  // ggml pads the last tensor; without that padding the file is still whole.
  const size_t padding = 32 - (3 * 34) % 32;
  for (size_t n = 0; n < good_.size() - padding; ++n) {
    const Status status = check(good_.substr(0, n));
    ASSERT_FALSE(status.ok()) << "cut at " << n;
    ASSERT_EQ(status.kind(), ErrorKind::model);
    ASSERT_NE(status.message().find(path_), std::string::npos);
  }
}

TEST_F(GgufCheckTest, SaysWhatAnotherFileLooksLike) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "empty"},
      {"<!DOCTYPE html><html></html>", "HTML"},
      {"version https://git-lfs.github.com/spec/v1", "LFS"},
      {std::string("GGUF\0\0\0\3", 8) + good_.substr(8), "big-endian"},
      {std::string("GGUF\1\0\0\0", 8) + good_.substr(8), "version 1"},
      {"junk", "\"junk\""},
  };
  for (const auto& [bytes, words] : cases) {
    EXPECT_NE(check(bytes).message().find(words), std::string::npos) << check(bytes).message();
  }
  EXPECT_FALSE(check_gguf_file(::testing::TempDir()).ok());
  EXPECT_FALSE(check_gguf_file("/dev/null").ok());
}

// What is accepted must be what ggml accepts: it would otherwise fail later, with less to say.
TEST_F(GgufCheckTest, AgreesWithGgmlOnMutatedFiles) {
  ggml_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  std::mt19937 random(7);
  const uint64_t values[] = {0, 1, ~0ull, 1ull << 63, 1ull << 62, 1ull << 32, 48};
  int n_accepted = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = good_;
    for (uint32_t k = 0; k <= random() % 3; ++k) {
      const size_t at = random() % (bytes.size() - 8);
      if (random() % 2 == 0) {
        bytes[at] = static_cast<char>(random());
      } else {
        std::memcpy(&bytes[at], &values[random() % std::size(values)], random() % 2 == 0 ? 4 : 8);
      }
    }
    if (!check(bytes).ok()) continue;
    ++n_accepted;
    ggml_context* tensors = nullptr;
    GgufPtr gguf(gguf_init_from_file(path_.c_str(), {true, &tensors}), gguf_free);
    EXPECT_TRUE(gguf != nullptr) << "mutation " << i;
    ggml_free(tensors);
  }
  ggml_log_set(nullptr, nullptr);
  EXPECT_GT(n_accepted, 100);
  EXPECT_LT(n_accepted, 2900);
}

TEST(Printable, IsOneShortLine) {
  EXPECT_EQ(printable("a\nb\x01\xff"), "a?b??");
  EXPECT_EQ(printable(std::string(100, 'x')), std::string(64, 'x') + "...");
}

}  // namespace
}  // namespace restkv
