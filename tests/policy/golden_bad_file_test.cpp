// Malformed files of saved tensors: each must end in a Status of kind model with a one-line
// message, whatever was done to the file.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "bad_golden_file.h"

namespace restkv::cli {
namespace {

TEST_F(BadGoldenFile, NotAGguf) {
  for (const std::string& bytes :
       {std::string(), std::string("GGUF"), std::string("<html><body>404</body></html>"),
        std::string(4096, '\0'), std::string(4096, '\xff')}) {
    write(bytes);
    expect_rejected(bytes.substr(0, 10));
  }
  fs::remove(path_);
  expect_rejected("missing file");
  path_ = fs::temp_directory_path();
  expect_rejected("a folder");
  path_ = "";
}

TEST_F(BadGoldenFile, TruncatedAnywhere) {
  const std::string whole = read_bytes(kData / "snapkv-mha.gguf");
  ASSERT_GT(whole.size(), 60000u);
  const size_t dense = 2600;  // header, metadata and tensor list, byte by byte
  for (size_t length = 0; length < whole.size(); length += length < dense ? 1 : 997) {
    write(whole.substr(0, length));
    expect_rejected("truncated to " + std::to_string(length));
  }
  // What follows the last tensor is padding, at most 31 bytes.
  write(whole.substr(0, whole.size() - 32));
  expect_rejected("one byte of data short");
}

TEST_F(BadGoldenFile, FlippedBytesEndWithoutHarm) {
  const std::string whole = read_bytes(kData / "restkv-paper-mha.gguf");
  for (size_t i = 0; i < 2600; ++i) {
    std::string bytes = whole;
    bytes[i] = static_cast<char>(bytes[i] ^ (i % 2 == 0 ? 0x80 : 0xff));
    write(bytes);
    const Status status = read();  // some flips are harmless: only the end matters
    EXPECT_EQ(status.message().find('\n'), std::string::npos) << "byte " << i;
  }
}

TEST_F(BadGoldenFile, MissingKeys) {
  for (const char* key : {"n_head", "n_head_kv", "head_dim", "n_embd", "length", "budget", "window",
                          "policy", "kernel_size", "alpha", "beta", "tau", "mode", "use_wo",
                          "use_ema", "use_norm", "pooling"}) {
    write_changed("restkv-paper-mha.gguf", [&](gguf_context* gguf, ggml_context*) {
      gguf_remove_key(gguf, (std::string("golden.") + key).c_str());
    });
    expect_rejected(key);
  }
  write_changed("restkv-paper-mha.gguf", [&](gguf_context* gguf, ggml_context*) {
    gguf_remove_key(gguf, "general.architecture");
  });
  expect_rejected("architecture");
}

TEST_F(BadGoldenFile, BadIntegers) {
  for (const char* key :
       {"n_head", "n_head_kv", "head_dim", "n_embd", "length", "budget", "window", "kernel_size"}) {
    for (int32_t value : {-1, 0, 4, 7, 1 << 30, INT32_MAX, INT32_MIN}) {
      if (std::string(key) == "n_head_kv" && value == 4) continue;  // what the file says
      if (std::string(key) == "n_head" && value == 4) continue;
      // Any odd kernel is sound, and so is any budget above the window.
      if (std::string(key) == "kernel_size" && value % 2 != 0 && value > 0) continue;
      if (std::string(key) == "budget" && value > 8) continue;
      write_changed("restkv-paper-mha.gguf", [&](gguf_context* gguf, ggml_context*) {
        gguf_set_val_i32(gguf, (std::string("golden.") + key).c_str(), value);
      });
      expect_rejected(std::string(key) + " = " + std::to_string(value));
    }
  }
}

TEST_F(BadGoldenFile, WrongTypesOfKeys) {
  for (const char* key : {"n_head", "length", "policy", "alpha", "beta", "mode", "use_wo"}) {
    write_changed("restkv-paper-mha.gguf", [&](gguf_context* gguf, ggml_context*) {
      const std::string name = std::string("golden.") + key;
      if (std::string(key) == "policy" || std::string(key) == "mode") {
        gguf_set_val_f32(gguf, name.c_str(), 1.0f);
      } else {
        gguf_set_val_str(gguf, name.c_str(), "four\nlines");
      }
    });
    expect_rejected(key);
  }
}

TEST_F(BadGoldenFile, BadReals) {
  struct Real {
    const char* key;
    float value;
  };
  for (const Real& real :
       {Real{"alpha", 0.0f}, Real{"alpha", 2.0f}, Real{"alpha", NAN}, Real{"beta", 0.0f},
        Real{"beta", -3.0f}, Real{"beta", INFINITY}, Real{"tau", NAN}}) {
    write_changed("restkv-paper-mha.gguf", [&](gguf_context* gguf, ggml_context*) {
      gguf_set_val_f32(gguf, (std::string("golden.") + real.key).c_str(), real.value);
    });
    expect_rejected(real.key);
  }
}

TEST_F(BadGoldenFile, BadTexts) {
  struct Text {
    const char *key, *value;
  };
  for (const Text& text : {Text{"mode", "during"}, Text{"pooling", "median"},
                           Text{"granularity", "layer"}, Text{"gqa_agg", "min"}}) {
    write_changed("restkv-paper-mha.gguf", [&](gguf_context* gguf, ggml_context*) {
      gguf_set_val_str(gguf, (std::string("golden.") + text.key).c_str(), text.value);
    });
    expect_rejected(text.key);
  }
}

TEST_F(BadGoldenFile, BadPyramid) {
  struct Layers {
    int32_t n_layer, layer;
    float beta;
  };
  for (const Layers& bad : {Layers{0, 0, 20}, Layers{30, 30, 20}, Layers{30, -1, 20},
                            Layers{30, 2, 0}, Layers{30, 2, NAN}, Layers{30, 2, 0.5f}}) {
    write_changed("restkv-pyramid-l12-n240.gguf", [&](gguf_context* gguf, ggml_context*) {
      gguf_set_val_i32(gguf, "golden.n_layer", bad.n_layer);
      gguf_set_val_i32(gguf, "golden.layer", bad.layer);
      gguf_set_val_f32(gguf, "golden.pyramid_beta", bad.beta);
    });
    expect_rejected("pyramid");
  }
}

TEST_F(BadGoldenFile, TensorsThatAreNotFinite) {
  for (const char* name : {"q", "k", "v", "wo"}) {
    for (float value :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      write_changed("restkv-paper-mha.gguf", [&](gguf_context*, ggml_context* tensors) {
        float* data = static_cast<float*>(ggml_get_data(ggml_get_tensor(tensors, name)));
        data[17] = value;
      });
      expect_rejected(name);
    }
  }
}

TEST_F(BadGoldenFile, TensorsMissingOrOfAnotherShape) {
  const fs::path source = kData / "restkv-paper-mha.gguf";  // q is [16, 8, 4], k and v [16, 97, 4]
  for (const char* name : {"q", "k", "v", "wo"}) {
    write_without(source, path_, name);
    expect_rejected(std::string(name) + " left out");
    write_with(source, path_, name, GGML_TYPE_F32, {16, 96, 4});
    expect_rejected(std::string(name) + " of another length");
    write_with(source, path_, name, GGML_TYPE_F32, {1, 1, 1});
    expect_rejected(std::string(name) + " of one element");
  }
  write_with(source, path_, "k", GGML_TYPE_I32, {16, 97, 4});
  expect_rejected("k of integers");
  write_with(source, path_, "q", GGML_TYPE_F16, {16, 8, 4});
  expect_rejected("q of halves");
}

TEST_F(BadGoldenFile, AnotherPolicyIsRefusedByName) {
  write_changed("restkv-paper-mha.gguf", [&](gguf_context* gguf, ggml_context*) {
    gguf_set_val_str(gguf, "golden.policy", "clairvoyant");
  });
  const Status status = read();
  EXPECT_EQ(status.kind(), ErrorKind::usage);
  EXPECT_NE(status.message().find("clairvoyant"), std::string::npos);
  EXPECT_NE(status.message().find("restkv"), std::string::npos);
}

}  // namespace
}  // namespace restkv::cli
