// A random model, small enough to run under sanitizers, written as a GGUF file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/model.h"

namespace restkv::test {

// What the variants differ in. Byte-level vocabulary.
struct TinyShape {
  std::string arch = "llama";  // or qwen2 (n_head * head_dim is n_embd), gemma
  int n_layer = 3;
  int n_head = 4, n_head_kv = 2;
  int head_dim = 16;
  int n_rot = 0;            // 0: the whole head; gemma alone takes less
  bool rope_freqs = false;  // frequency factors, not for gemma
  float gain = 1.5f;        // of a matrix; the attention logits' deviation is its square
  int n_embd = 64, n_ff = 96;
  bool own_output = false;  // an output head with a bias that is not the embedding; not for gemma
  bool all_biases = false;  // those that a family may have beside those that it must
  ggml_type type = GGML_TYPE_F32;          // of the matrices
  ggml_type mixed_type = GGML_TYPE_COUNT;  // of attn_v and ffn_down, where it is another
  bool in_floats = false;  // the same weights, rounded to their types, but stored as f32
};

// `nan_in` names a tensor whose first weight becomes NaN.
std::string write_tiny_model(const std::string& path, const std::string& nan_in = "",
                             const TinyShape& shape = {});

// Writes and loads.
std::shared_ptr<const Model> load_tiny_model(const TinyShape& shape,
                                             Kernels kernels = Kernels::automatic);

// Written and loaded once for the process.
std::shared_ptr<const Model> tiny_model();  // llama, heads of 16
std::shared_ptr<const Model> wide_model();  // llama with frequency factors, heads of 32
std::shared_ptr<const Model> qwen_model();  // RoPE pairs halves, heads of 16
// One layer, and logits of attention that do not multiply the rounding of f16: for tolerances.
std::shared_ptr<const Model> one_layer_model();
// Queries scaled instead of logits, RoPE on 24 of 32 dimensions.
std::shared_ptr<const Model> gemma_model();

// n token ids of the model's vocabulary, the same for the same seed.
std::vector<int32_t> random_tokens(int64_t n, uint32_t seed);

}  // namespace restkv::test
