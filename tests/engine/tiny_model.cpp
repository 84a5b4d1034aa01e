#include "tests/engine/tiny_model.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <random>

namespace restkv::test {
namespace {

constexpr int kVocab = 257, kEmbd = 64, kFf = 96;

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

void set_tokenizer(gguf_context* gguf) {
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

void set_metadata(gguf_context* gguf, const TinyShape& shape) {
  const auto number = [&](const char* key, int value) {
    gguf_set_val_u32(gguf, (shape.arch + "." + key).c_str(), value);
  };
  gguf_set_val_str(gguf, "general.architecture", shape.arch.c_str());
  number("block_count", shape.n_layer);
  number("context_length", 4096);
  number("embedding_length", kEmbd);
  number("feed_forward_length", kFf);
  number("attention.head_count", shape.n_head);
  number("attention.head_count_kv", shape.n_head_kv);
  number("attention.key_length", shape.head_dim);
  number("attention.value_length", shape.head_dim);
  number("rope.dimension_count", shape.n_rot == 0 ? shape.head_dim : shape.n_rot);
  gguf_set_val_f32(gguf, (shape.arch + ".attention.layer_norm_rms_epsilon").c_str(), 1e-5f);
  set_tokenizer(gguf);
}

// Random tensors, in the file's order.
class TensorWriter {
 public:
  TensorWriter(gguf_context* gguf, const std::string& nan_in, float gain)
      : gguf_(gguf),
        nan_in_(nan_in),
        gain_(gain),
        ctx_(ggml_init({size_t{4} << 20, nullptr, false})) {}

  void matrix(const std::string& name, int64_t n_in, int64_t n_out) {
    fill(ggml_new_tensor_2d(ctx_.get(), GGML_TYPE_F32, n_in, n_out), name,
         gain_ / std::sqrt(static_cast<float>(n_in)), 0.0f);
  }
  void vector(const std::string& name, int64_t n, float mean) {
    fill(ggml_new_tensor_1d(ctx_.get(), GGML_TYPE_F32, n), name, 0.1f, mean);
  }

 private:
  void fill(ggml_tensor* t, const std::string& name, float deviation, float mean) {
    ggml_set_name(t, name.c_str());
    std::normal_distribution<float> normal(0.0f, deviation);
    float* data = ggml_get_data_f32(t);
    for (int64_t i = 0; i < ggml_nelements(t); ++i)
      data[i] = normal(random_) + mean;
    if (name == nan_in_) data[0] = NAN;
    gguf_add_tensor(gguf_, t);
  }

  gguf_context* gguf_;
  const std::string& nan_in_;
  float gain_;
  ggml_context_ptr ctx_;
  std::mt19937 random_{7};
};

void add_layer(TensorWriter* file, const TinyShape& shape, int layer) {
  const std::string blk = "blk." + std::to_string(layer) + ".";
  const int n_q = shape.n_head * shape.head_dim, n_kv = shape.n_head_kv * shape.head_dim;
  file->vector(blk + "attn_norm.weight", kEmbd, 1.0f);
  file->matrix(blk + "attn_q.weight", kEmbd, n_q);
  file->matrix(blk + "attn_k.weight", kEmbd, n_kv);
  file->matrix(blk + "attn_v.weight", kEmbd, n_kv);
  if (shape.arch == "qwen2") {
    file->vector(blk + "attn_q.bias", n_q, 0.0f);
    file->vector(blk + "attn_k.bias", n_kv, 0.0f);
    file->vector(blk + "attn_v.bias", n_kv, 0.0f);
  }
  file->matrix(blk + "attn_output.weight", n_q, kEmbd);
  file->vector(blk + "ffn_norm.weight", kEmbd, 1.0f);
  file->matrix(blk + "ffn_gate.weight", kEmbd, kFf);
  file->matrix(blk + "ffn_up.weight", kEmbd, kFf);
  file->matrix(blk + "ffn_down.weight", kFf, kEmbd);
}

std::shared_ptr<const Model> load(const TinyShape& shape) {
  const std::string path =
      ::testing::TempDir() + "restkv_tiny_" + std::to_string(::getpid()) + ".gguf";
  auto loaded = Model::load(write_tiny_model(path, "", shape));
  ::unlink(path.c_str());  // the mapping keeps it alive
  EXPECT_TRUE(loaded.ok()) << loaded.status().message();
  return *loaded;
}

}  // namespace

std::string write_tiny_model(const std::string& path, const std::string& nan_in,
                             const TinyShape& shape) {
  gguf_context_ptr gguf(gguf_init_empty());
  set_metadata(gguf.get(), shape);
  TensorWriter file(gguf.get(), nan_in, shape.gain);
  file.matrix("token_embd.weight", kEmbd, kVocab);
  file.vector("output_norm.weight", kEmbd, 1.0f);
  if (shape.rope_freqs) file.vector("rope_freqs.weight", shape.head_dim / 2, 3.0f);
  for (int l = 0; l < shape.n_layer; ++l)
    add_layer(&file, shape, l);
  gguf_write_to_file(gguf.get(), path.c_str(), /*only_meta=*/false);
  return path;
}

std::shared_ptr<const Model> tiny_model() {
  static const auto model = load({});
  return model;
}

std::shared_ptr<const Model> one_layer_model() {
  static const auto model = load({.n_layer = 1, .gain = 1.0f});
  return model;
}

std::shared_ptr<const Model> wide_model() {
  static const auto model = load({.head_dim = 32, .rope_freqs = true});
  return model;
}

std::shared_ptr<const Model> qwen_model() {
  static const auto model = load({.arch = "qwen2"});
  return model;
}

std::shared_ptr<const Model> gemma_model() {
  static const auto model = load({.arch = "gemma", .head_dim = 32, .n_rot = 24});
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
