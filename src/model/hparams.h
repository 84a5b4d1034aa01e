// The numbers that define a model, read from its GGUF metadata and checked, and the check of its
// tensors against what a family's graph expects. Nothing here touches the weights themselves.
//
// REQUIRES: check_gguf_file() accepted the file. Errors (ErrorKind::model) name the key or tensor,
// its value, and what is allowed. Keys that libllama ignores for these architectures
// (attention.scale, attention.sliding_window) are ignored here too, so that logits stay the same.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "restkv/status.h"

struct ggml_context;
struct gguf_context;

namespace restkv {

enum class RopeScaling { none, linear, yarn };

struct HParams {
  std::string arch;        // general.architecture
  uint32_t n_layer = 0;    // 1..512
  uint32_t n_embd = 0;     // width of the hidden state
  uint32_t n_head = 0;     // query heads
  uint32_t n_head_kv = 0;  // KV heads, divides n_head
  uint32_t head_dim = 0;   // of queries, keys and values; n_head * head_dim may differ from n_embd
  uint32_t n_rot = 0;      // leading dimensions of a head that RoPE turns, even
  uint32_t n_ff = 0;       // inner width of the feed-forward block
  uint32_t n_vocab = 0;    // tokens of the tokenizer = rows of the token embedding
  uint32_t n_ctx_train = 0;  // trained context length, tokens
  float rms_eps = 0.0f;

  // RoPE exactly as libllama's context computes it with default parameters; the order and meaning
  // are ggml_rope_ext's.
  RopeScaling rope_scaling = RopeScaling::none;
  uint32_t n_ctx_orig = 0;  // context before YaRN
  float rope_freq_base = 10000.0f;
  float rope_freq_scale = 1.0f;  // 1 / factor
  float yarn_ext_factor = 0.0f;
  float yarn_attn_factor = 1.0f;
  float yarn_beta_fast = 32.0f;
  float yarn_beta_slow = 1.0f;

  float attention_scale = 0.0f;  // of q·k; 1 / sqrt(head_dim)
};

// `supported` lists the architectures; any other is refused with that list in the message.
// Refused by name: split files, mixtures of experts, values that differ between layers, unlike key
// and value widths, other RoPE scalings than none, linear and yarn, a tokenizer that is missing.
Result<HParams> read_hparams(const gguf_context* gguf, std::span<const std::string_view> supported);

// One tensor that a family's graph uses. ne runs as ggml's: ne[0] is a row; unused ones are 1.
struct ExpectedTensor {
  std::string name;
  int64_t ne[4] = {1, 1, 1, 1};
  bool required = true;
};

// Compares every expected tensor with `meta`, the tensor list that gguf_init_from_file() fills.
// One-dimensional tensors (norms, biases, RoPE factors) must be F32 and the others a type that
// ggml multiplies: anything else aborts inside ggml. As in libllama a tensor that the family does
// not know is refused, since leaving it out would silently change the result.
Status check_tensors(ggml_context* meta, const HParams& hparams,
                     std::span<const ExpectedTensor> expected);

}  // namespace restkv
