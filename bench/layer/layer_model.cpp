#include "bench/layer/layer_model.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <vector>

#include "core/random.h"
#include "ggml-cpp.h"
#include "gguf.h"

namespace restkv::bench {
namespace {

constexpr int kVocab = 64;
constexpr size_t kBeyondCaches = size_t{64} << 20;

void set_strings(gguf_context* gguf, const char* key, const std::vector<std::string>& values) {
  std::vector<const char*> pointers;
  for (const std::string& value : values)
    pointers.push_back(value.c_str());
  gguf_set_arr_str(gguf, key, pointers.data(), pointers.size());
}

// A tokenizer that loads; nothing is ever tokenized with it.
void set_tokenizer(gguf_context* gguf) {
  std::vector<std::string> words;
  for (int i = 0; i < kVocab - 1; ++i)
    words.push_back(std::string(1, static_cast<char>('!' + i)));
  words.emplace_back("<|end|>");
  gguf_set_val_str(gguf, "tokenizer.ggml.model", "gpt2");
  gguf_set_val_str(gguf, "tokenizer.ggml.pre", "gpt-2");
  set_strings(gguf, "tokenizer.ggml.tokens", words);
  set_strings(gguf, "tokenizer.ggml.merges", {"a b"});
  std::vector<int32_t> types(kVocab, 1);
  types.back() = 3;
  gguf_set_arr_data(gguf, "tokenizer.ggml.token_type", GGUF_TYPE_INT32, types.data(), kVocab);
  gguf_set_val_u32(gguf, "tokenizer.ggml.eos_token_id", kVocab - 1);
}

void set_metadata(gguf_context* gguf, const LayerShape& s, uint32_t n_layer) {
  const std::string arch = s.arch;
  const auto number = [&](const char* key, uint32_t value) {
    gguf_set_val_u32(gguf, (arch + "." + key).c_str(), value);
  };
  gguf_set_val_str(gguf, "general.architecture", s.arch);
  number("block_count", n_layer);
  number("context_length", 1 << 20);
  number("embedding_length", s.n_embd);
  number("feed_forward_length", s.n_ff);
  number("attention.head_count", s.n_head);
  number("attention.head_count_kv", s.n_head_kv);
  number("attention.key_length", s.head_dim);
  number("attention.value_length", s.head_dim);
  number("rope.dimension_count", s.head_dim);
  gguf_set_val_f32(gguf, (arch + ".rope.freq_base").c_str(), s.rope_base);
  gguf_set_val_f32(gguf, (arch + ".attention.layer_norm_rms_epsilon").c_str(), 1e-5f);
  set_tokenizer(gguf);
}

// Random blocks whose values have a deviation of about 1 / sqrt(n_in).
std::vector<uint8_t> random_blocks(ggml_type type, int64_t n_in, int64_t n_out) {
  const size_t block = ggml_type_size(type);
  std::vector<uint8_t> bytes(ggml_row_size(type, n_in) * n_out + 8);
  SplitMix64 random(static_cast<uint64_t>(n_in));
  for (size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    const uint64_t word = random.next();
    std::memcpy(bytes.data() + i, &word, sizeof word);
  }
  const double deviation = type == GGML_TYPE_Q4_0 ? 4.6 : 74.0;  // of the integers
  const ggml_fp16_t scale = ggml_fp32_to_fp16(
      static_cast<float>(1.0 / (deviation * std::sqrt(static_cast<double>(n_in)))));
  for (size_t i = 0; i + block <= bytes.size(); i += block)  // both types begin with their scale
    std::memcpy(bytes.data() + i, &scale, sizeof scale);
  return bytes;
}

class LayerWriter {
 public:
  LayerWriter(gguf_context* gguf, ggml_type type)
      : gguf_(gguf), type_(type), ctx_(ggml_init({size_t{4} << 20, nullptr, true})) {}

  void matrix(const std::string& name, int64_t n_in, int64_t n_out) {
    data_.push_back(random_blocks(type_, n_in, n_out));
    add(ggml_new_tensor_2d(ctx_.get(), type_, n_in, n_out), name, data_.back().data());
  }
  void vector(const std::string& name, int64_t n, float value) {
    const std::vector<float> values(n, value);
    data_.emplace_back(n * sizeof(float));
    std::memcpy(data_.back().data(), values.data(), n * sizeof(float));
    add(ggml_new_tensor_1d(ctx_.get(), GGML_TYPE_F32, n), name, data_.back().data());
  }

 private:
  void add(ggml_tensor* t, const std::string& name, void* data) {
    ggml_set_name(t, name.c_str());
    t->data = data;
    gguf_add_tensor(gguf_, t);
  }

  gguf_context* gguf_;
  ggml_type type_;
  ggml_context_ptr ctx_;
  std::vector<std::vector<uint8_t>> data_;
};

void add_layer(LayerWriter* file, const LayerShape& s, uint32_t layer) {
  const std::string blk = "blk." + std::to_string(layer) + ".";
  const int64_t n_q = int64_t{s.n_head} * s.head_dim, n_kv = int64_t{s.n_head_kv} * s.head_dim;
  file->vector(blk + "attn_norm.weight", s.n_embd, 1.0f);
  file->matrix(blk + "attn_q.weight", s.n_embd, n_q);
  file->matrix(blk + "attn_k.weight", s.n_embd, n_kv);
  file->matrix(blk + "attn_v.weight", s.n_embd, n_kv);
  if (std::strcmp(s.arch, "qwen2") == 0) {
    file->vector(blk + "attn_q.bias", n_q, 0.1f);
    file->vector(blk + "attn_k.bias", n_kv, 0.1f);
    file->vector(blk + "attn_v.bias", n_kv, 0.1f);
  }
  file->matrix(blk + "attn_output.weight", n_q, s.n_embd);
  file->vector(blk + "ffn_norm.weight", s.n_embd, 1.0f);
  file->matrix(blk + "ffn_gate.weight", s.n_embd, s.n_ff);
  file->matrix(blk + "ffn_up.weight", s.n_embd, s.n_ff);
  file->matrix(blk + "ffn_down.weight", s.n_ff, s.n_embd);
}

uint32_t count_layers(const LayerShape& s, ggml_type type) {
  const size_t bytes = ggml_row_size(type, layer_weights(s));
  return static_cast<uint32_t>(std::min<size_t>(s.n_layer, (kBeyondCaches + bytes - 1) / bytes));
}

}  // namespace

Result<std::shared_ptr<const Model>> make_layer_model(const LayerShape& shape, ggml_type type,
                                                      Kernels kernels) {
  const gguf_context_ptr gguf(gguf_init_empty());
  const uint32_t n_layer = count_layers(shape, type);
  set_metadata(gguf.get(), shape, n_layer);
  LayerWriter file(gguf.get(), type);
  file.matrix("token_embd.weight", shape.n_embd, kVocab);
  file.vector("output_norm.weight", shape.n_embd, 1.0f);
  for (uint32_t l = 0; l < n_layer; ++l)
    add_layer(&file, shape, l);
  std::error_code error;
  const std::string path = (std::filesystem::temp_directory_path(error) /
                            ("restkv_layer_" + std::to_string(getpid()) + ".gguf"))
                               .string();
  if (!gguf_write_to_file(gguf.get(), path.c_str(), /*only_meta=*/false)) {
    unlink(path.c_str());
    return Status::runtime("cannot write " + path);
  }
  auto model = Model::load(path, {}, kernels);
  unlink(path.c_str());  // the mapping keeps it alive
  return model;
}

}  // namespace restkv::bench
