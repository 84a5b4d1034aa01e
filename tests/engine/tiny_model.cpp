#include "tests/engine/tiny_model.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <random>

namespace restkv::test {
namespace {

constexpr int kVocab = 257, kEmbd = 64, kHead = 4, kHeadKv = 2, kDim = 16, kFf = 96, kLayer = 3;

std::string utf8(uint32_t c) {
  if (c < 0x80) return std::string(1, static_cast<char>(c));
  return {static_cast<char>(0xC0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3F))};
}

// The printable stand-ins of byte-level BPE: bytes that print stand for themselves.
std::vector<std::string> byte_tokens() {
  std::vector<std::string> tokens;
  uint32_t spare = 256;
  for (uint32_t b = 0; b < 256; ++b) {
    const bool prints = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    tokens.push_back(utf8(prints ? b : spare++));
  }
  tokens.push_back("<|end|>");
  return tokens;
}

void set_strings(gguf_context* gguf, const char* key, const std::vector<std::string>& values) {
  std::vector<const char*> pointers;
  for (const std::string& v : values)
    pointers.push_back(v.c_str());
  gguf_set_arr_str(gguf, key, pointers.data(), pointers.size());
}

void set_metadata(gguf_context* gguf) {
  gguf_set_val_str(gguf, "general.architecture", "llama");
  gguf_set_val_u32(gguf, "llama.block_count", kLayer);
  gguf_set_val_u32(gguf, "llama.context_length", 4096);
  gguf_set_val_u32(gguf, "llama.embedding_length", kEmbd);
  gguf_set_val_u32(gguf, "llama.feed_forward_length", kFf);
  gguf_set_val_u32(gguf, "llama.attention.head_count", kHead);
  gguf_set_val_u32(gguf, "llama.attention.head_count_kv", kHeadKv);
  gguf_set_val_u32(gguf, "llama.rope.dimension_count", kDim);
  gguf_set_val_f32(gguf, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
  gguf_set_val_str(gguf, "tokenizer.ggml.model", "gpt2");
  gguf_set_val_str(gguf, "tokenizer.ggml.pre", "gpt-2");
  set_strings(gguf, "tokenizer.ggml.tokens", byte_tokens());
  set_strings(gguf, "tokenizer.ggml.merges", {"t h"});
  std::vector<int32_t> types(kVocab, 1);
  types.back() = 3;
  gguf_set_arr_data(gguf, "tokenizer.ggml.token_type", GGUF_TYPE_INT32, types.data(), types.size());
  gguf_set_val_u32(gguf, "tokenizer.ggml.eos_token_id", kVocab - 1);
  gguf_set_val_bool(gguf, "tokenizer.ggml.add_bos_token", false);
}

}  // namespace

std::string write_tiny_model(const std::string& path, const std::string& nan_in) {
  gguf_context_ptr gguf(gguf_init_empty());
  set_metadata(gguf.get());
  ggml_context_ptr ctx(ggml_init({size_t{4} << 20, nullptr, false}));
  std::mt19937 random(7);
  const auto add = [&](const std::string& name, int64_t ne0, int64_t ne1, bool norm = false) {
    ggml_tensor* t = ne1 == 1 ? ggml_new_tensor_1d(ctx.get(), GGML_TYPE_F32, ne0)
                              : ggml_new_tensor_2d(ctx.get(), GGML_TYPE_F32, ne0, ne1);
    ggml_set_name(t, name.c_str());
    std::normal_distribution<float> normal(0.0f, norm ? 0.1f : 1.5f / std::sqrt(float(ne0)));
    float* data = ggml_get_data_f32(t);
    for (int64_t i = 0; i < ggml_nelements(t); ++i)
      data[i] = normal(random) + (norm ? 1.0f : 0.0f);
    if (name == nan_in) data[0] = NAN;
    gguf_add_tensor(gguf.get(), t);
  };
  add("token_embd.weight", kEmbd, kVocab);
  add("output_norm.weight", kEmbd, 1, true);
  for (int l = 0; l < kLayer; ++l) {
    const std::string blk = "blk." + std::to_string(l) + ".";
    add(blk + "attn_norm.weight", kEmbd, 1, true);
    add(blk + "attn_q.weight", kEmbd, kHead * kDim);
    add(blk + "attn_k.weight", kEmbd, kHeadKv * kDim);
    add(blk + "attn_v.weight", kEmbd, kHeadKv * kDim);
    add(blk + "attn_output.weight", kHead * kDim, kEmbd);
    add(blk + "ffn_norm.weight", kEmbd, 1, true);
    add(blk + "ffn_gate.weight", kEmbd, kFf);
    add(blk + "ffn_up.weight", kEmbd, kFf);
    add(blk + "ffn_down.weight", kFf, kEmbd);
  }
  gguf_write_to_file(gguf.get(), path.c_str(), /*only_meta=*/false);
  return path;
}

std::shared_ptr<const Model> tiny_model() {
  static const std::shared_ptr<const Model> model = [] {
    const std::string path =
        ::testing::TempDir() + "restkv_tiny_" + std::to_string(::getpid()) + ".gguf";
    auto loaded = Model::load(write_tiny_model(path));
    ::unlink(path.c_str());  // the mapping keeps it alive
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    return *loaded;
  }();
  return model;
}

std::vector<int32_t> random_tokens(int64_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> tokens(n);
  for (int32_t& t : tokens)
    t = static_cast<int32_t>(random() % (kVocab - 1));
  return tokens;
}

}  // namespace restkv::test
