#include "tests/engine/tiny_model.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace restkv::test {
namespace {

constexpr int kVocab = 257;

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
  number("embedding_length", shape.n_embd);
  number("feed_forward_length", shape.n_ff);
  number("attention.head_count", shape.n_head);
  number("attention.head_count_kv", shape.n_head_kv);
  number("attention.key_length", shape.head_dim);
  number("attention.value_length", shape.head_dim);
  number("rope.dimension_count", shape.n_rot == 0 ? shape.head_dim : shape.n_rot);
  gguf_set_val_f32(gguf, (shape.arch + ".attention.layer_norm_rms_epsilon").c_str(), 1e-5f);
  set_tokenizer(gguf);
}

size_t context_bytes(const TinyShape& shape) {
  const size_t widest = std::max(shape.n_head * shape.head_dim, shape.n_embd);
  const size_t layer = 4 * widest * shape.n_embd + 3 * size_t(shape.n_embd) * shape.n_ff;
  return (size_t{1} << 20) +
         sizeof(float) * (layer * shape.n_layer + 2 * size_t{kVocab} * shape.n_embd);
}

// Random tensors, in the file's order.
class TensorWriter {
 public:
  TensorWriter(gguf_context* gguf, const std::string& nan_in, const TinyShape& shape)
      : gguf_(gguf),
        nan_in_(nan_in),
        shape_(shape),
        ctx_(ggml_init({context_bytes(shape), nullptr, false})) {}

  void matrix(const std::string& name, int64_t n_in, int64_t n_out) {
    matrix(name, n_in, n_out, shape_.type);
  }
  void matrix(const std::string& name, int64_t n_in, int64_t n_out, ggml_type type) {
    const auto values = draw(n_in * n_out, shape_.gain / std::sqrt(static_cast<float>(n_in)), 0.0f);
    const ggml_type stored = shape_.in_floats ? GGML_TYPE_F32 : type;
    ggml_tensor* t = ggml_new_tensor_2d(ctx_.get(), stored, n_in, n_out);
    if (type == GGML_TYPE_F32) {
      std::ranges::copy(values, ggml_get_data_f32(t));
    } else if (shape_.in_floats) {
      std::vector<std::byte> rounded(ggml_row_size(type, n_in) * n_out);
      ggml_quantize_chunk(type, values.data(), rounded.data(), 0, n_out, n_in, nullptr);
      ggml_get_type_traits(type)->to_float(rounded.data(), ggml_get_data_f32(t), n_in * n_out);
    } else {
      ggml_quantize_chunk(type, values.data(), t->data, 0, n_out, n_in, nullptr);
    }
    add(t, name);
  }
  void vector(const std::string& name, int64_t n, float mean) {
    ggml_tensor* t = ggml_new_tensor_1d(ctx_.get(), GGML_TYPE_F32, n);
    std::ranges::copy(draw(n, 0.1f, mean), ggml_get_data_f32(t));
    add(t, name);
  }

 private:
  std::vector<float> draw(int64_t n, float deviation, float mean) {
    std::normal_distribution<float> normal(0.0f, deviation);
    std::vector<float> values(n);
    for (float& value : values)
      value = normal(random_) + mean;
    return values;
  }

  void add(ggml_tensor* t, const std::string& name) {
    ggml_set_name(t, name.c_str());
    if (name == nan_in_) ggml_get_data_f32(t)[0] = NAN;
    gguf_add_tensor(gguf_, t);
  }

  gguf_context* gguf_;
  const std::string& nan_in_;
  const TinyShape& shape_;
  ggml_context_ptr ctx_;
  std::mt19937 random_{7};
};

void add_attention(TensorWriter* file, const TinyShape& shape, ggml_type mixed,
                   const std::string& blk) {
  const int n_q = shape.n_head * shape.head_dim, n_kv = shape.n_head_kv * shape.head_dim;
  file->vector(blk + "attn_norm.weight", shape.n_embd, 1.0f);
  file->matrix(blk + "attn_q.weight", shape.n_embd, n_q);
  file->matrix(blk + "attn_k.weight", shape.n_embd, n_kv);
  file->matrix(blk + "attn_v.weight", shape.n_embd, n_kv, mixed);
  if (shape.arch == "qwen2") {
    file->vector(blk + "attn_q.bias", n_q, 0.0f);
    file->vector(blk + "attn_k.bias", n_kv, 0.0f);
    file->vector(blk + "attn_v.bias", n_kv, 0.0f);
  }
  file->matrix(blk + "attn_output.weight", n_q, shape.n_embd);
  if (shape.all_biases) file->vector(blk + "attn_output.bias", shape.n_embd, 0.0f);
}

void add_layer(TensorWriter* file, const TinyShape& shape, int layer) {
  const std::string blk = "blk." + std::to_string(layer) + ".";
  const ggml_type mixed = shape.mixed_type == GGML_TYPE_COUNT ? shape.type : shape.mixed_type;
  add_attention(file, shape, mixed, blk);
  file->vector(blk + "ffn_norm.weight", shape.n_embd, 1.0f);
  file->matrix(blk + "ffn_gate.weight", shape.n_embd, shape.n_ff);
  file->matrix(blk + "ffn_up.weight", shape.n_embd, shape.n_ff);
  file->matrix(blk + "ffn_down.weight", shape.n_ff, shape.n_embd, mixed);
  if (!shape.all_biases) return;
  file->vector(blk + "ffn_gate.bias", shape.n_ff, 0.0f);
  file->vector(blk + "ffn_up.bias", shape.n_ff, 0.0f);
  file->vector(blk + "ffn_down.bias", shape.n_embd, 0.0f);
}

}  // namespace

std::string write_tiny_model(const std::string& path, const std::string& nan_in,
                             const TinyShape& shape) {
  gguf_context_ptr gguf(gguf_init_empty());
  set_metadata(gguf.get(), shape);
  TensorWriter file(gguf.get(), nan_in, shape);
  file.matrix("token_embd.weight", shape.n_embd, kVocab);
  file.vector("output_norm.weight", shape.n_embd, 1.0f);
  if (shape.own_output) {
    file.matrix("output.weight", shape.n_embd, kVocab);
    file.vector("output.bias", kVocab, 0.0f);
  }
  if (shape.rope_freqs) file.vector("rope_freqs.weight", shape.head_dim / 2, 3.0f);
  for (int l = 0; l < shape.n_layer; ++l)
    add_layer(&file, shape, l);
  gguf_write_to_file(gguf.get(), path.c_str(), /*only_meta=*/false);
  return path;
}

std::shared_ptr<const Model> load_tiny_model(const TinyShape& shape, Kernels kernels) {
  const std::string path =
      ::testing::TempDir() + "restkv_tiny_" + std::to_string(::getpid()) + ".gguf";
  auto loaded = Model::load(write_tiny_model(path, "", shape), {}, kernels);
  ::unlink(path.c_str());  // the mapping keeps it alive
  EXPECT_TRUE(loaded.ok()) << loaded.status().message();
  return *loaded;
}

std::shared_ptr<const Model> tiny_model() {
  static const auto model = load_tiny_model({});
  return model;
}

std::shared_ptr<const Model> one_layer_model() {
  static const auto model = load_tiny_model({.n_layer = 1, .gain = 1.0f});
  return model;
}

std::shared_ptr<const Model> wide_model() {
  static const auto model = load_tiny_model({.head_dim = 32, .rope_freqs = true});
  return model;
}

std::shared_ptr<const Model> qwen_model() {
  static const auto model = load_tiny_model({.arch = "qwen2"});
  return model;
}

std::shared_ptr<const Model> gemma_model() {
  static const auto model = load_tiny_model({.arch = "gemma", .head_dim = 32, .n_rot = 24});
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
