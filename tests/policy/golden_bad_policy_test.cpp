// Malformed metadata of single policies, splits and stepwise cases.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "bad_golden_file.h"

namespace restkv::cli {
namespace {

using BadGoldenPolicy = BadGoldenFile;

struct BadInteger {
  const char *file, *key;
  int32_t value;
};

TEST_F(BadGoldenPolicy, Integers) {
  for (const BadInteger& bad : {
           BadInteger{"lacache-prompt.gguf", "budget", 34},  // start and layers
           BadInteger{"lacache-prompt.gguf", "budget", 0},
           BadInteger{"lacache-prompt.gguf", "start_size", -1},
           BadInteger{"lacache-prompt.gguf", "start_size", INT32_MAX},
           BadInteger{"lacache-prompt.gguf", "span", 0},
           BadInteger{"lacache-prompt.gguf", "span", 30},
           BadInteger{"lacache-prompt.gguf", "overlap", 16},
           BadInteger{"lacache-prompt.gguf", "overlap", -1},
           BadInteger{"lacache-prompt.gguf", "n_layer", 16},
           BadInteger{"lacache-prompt.gguf", "n_layer", 1 << 20},
           BadInteger{"lacache-prompt.gguf", "length", 1 << 30},
           BadInteger{"lacache-prompt.gguf", "n_decode", 256},
           BadInteger{"streaming-decode.gguf", "start_size", 64},
           BadInteger{"streaming-decode.gguf", "n_decode", 200},
           BadInteger{"streaming-decode.gguf", "length", INT32_MAX},
           BadInteger{"h2o-decode.gguf", "n_decode", 97},
           BadInteger{"h2o-decode.gguf", "n_decode", -1},
           BadInteger{"h2o-decode.gguf", "window", 48},
           BadInteger{"tova-prompt.gguf", "n_decode", 3},  // q has one query
           BadInteger{"tova-prompt.gguf", "budget", 0},
           BadInteger{"l2norm.gguf", "layer", -1},
           BadInteger{"headkv.gguf", "n_layer", 5},  // the table has 6
           BadInteger{"headkv.gguf", "layer", 6},
           BadInteger{"adakv-gqa.gguf", "kernel_size", 4},
       }) {
    write_changed(bad.file, [&](gguf_context* gguf, ggml_context*) {
      gguf_set_val_i32(gguf, (std::string("golden.") + bad.key).c_str(), bad.value);
    });
    expect_rejected(std::string(bad.file) + " " + bad.key + " = " + std::to_string(bad.value));
  }
}

TEST_F(BadGoldenPolicy, Reals) {
  for (float value : {-0.1f, 1.1f, NAN, INFINITY}) {
    write_changed("adakv-gqa.gguf", [&](gguf_context* gguf, ggml_context*) {
      gguf_set_val_f32(gguf, "golden.floor", value);
    });
    expect_rejected("floor");
    write_changed("cam.gguf", [&](gguf_context* gguf, ggml_context*) {
      gguf_set_val_f32(gguf, "golden.start_ratio", value);
    });
    expect_rejected("start_ratio");
  }
}

TEST_F(BadGoldenPolicy, MissingKeys) {
  for (const auto& [file, key] :
       {std::pair{"lacache-prompt.gguf", "span"}, std::pair{"lacache-prompt.gguf", "start_size"},
        std::pair{"cam.gguf", "start_ratio"}, std::pair{"adakv-gqa.gguf", "floor"},
        std::pair{"adakv-gqa.gguf", "normalize"}, std::pair{"pyramidkv-l3-n200.gguf", "layer"},
        std::pair{"pyramidkv-l3-n200.gguf", "n_layer"},
        std::pair{"pyramidkv-l3-n200.gguf", "pyramid_beta"}}) {
    write_changed(file, [&](gguf_context* gguf, ggml_context*) {
      gguf_remove_key(gguf, (std::string("golden.") + key).c_str());
    });
    expect_rejected(std::string(file) + " without " + key);
  }
}

TEST_F(BadGoldenPolicy, CapsOfHeads) {
  write_without(kData / "headkv.gguf", path_, "head_capacity_table");
  expect_rejected("no table");
  write_with(kData / "headkv.gguf", path_, "head_capacity_table", GGML_TYPE_F32, {8, 6, 1});
  expect_rejected("a table of reals");
  write_changed("headkv.gguf", [&](gguf_context*, ggml_context* tensors) {
    static_cast<int32_t*>(ggml_get_data(ggml_get_tensor(tensors, "head_capacity_table")))[20] = -1;
  });
  expect_rejected("a negative cap");
}

// Whatever a flipped byte says, the run ends, soon.
TEST_F(BadGoldenPolicy, FlippedBytesEndWithoutHarm) {
  for (const char* name : {"lacache-overlap.gguf", "streaming-decode.gguf", "h2o-decode.gguf",
                           "cam.gguf", "headkv.gguf", "tova-fits.gguf"}) {
    const std::string whole = read_bytes(kData / name);
    for (size_t i = 24; i < std::min<size_t>(whole.size(), 1400); i += 3) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ (i % 2 == 0 ? 0x80 : 0x1b));
      write(bytes);
      const auto start = std::chrono::steady_clock::now();
      const Status status = read();
      EXPECT_EQ(status.message().find('\n'), std::string::npos) << name << " byte " << i;
      EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60)) << name << i;
    }
  }
}

}  // namespace
}  // namespace restkv::cli
