#include "model/hparams.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "gguf.h"
#include "model/gguf_check.h"
#include "model/gguf_keys.h"

namespace restkv {
namespace {

// Above any real model, and small enough that no product of two or three overflows 64 bits.
constexpr uint32_t kMaxLayers = 512;  // libllama's own limit
constexpr uint32_t kMaxWidth = 1u << 20;
constexpr uint32_t kMaxHeads = 4096;
constexpr uint32_t kMaxHeadDim = 1024;
constexpr uint32_t kMaxFeedForward = 1u << 22;
constexpr uint32_t kMaxVocab = 1u << 24;
constexpr uint32_t kMaxContext = 1u << 30;

std::string text(float value) {
  char buffer[32];
  std::snprintf(buffer, sizeof(buffer), "%g", static_cast<double>(value));
  return buffer;
}

Status in_range(const std::string& key, uint32_t value, uint32_t low, uint32_t high) {
  if (value >= low && value <= high) return {};
  return Status::model("key \"" + key + "\" is " + std::to_string(value) +
                       " (allowed: " + std::to_string(low) + " to " + std::to_string(high) + ")");
}

// NaN and infinity fail too.
Status in_range(const std::string& key, float value, float low, float high) {
  if (value >= low && value <= high) return {};
  return Status::model("key \"" + key + "\" is " + text(value) + " (allowed: " + text(low) +
                       " to " + text(high) + ")");
}

// Reads the keys "<arch>.*" into an HParams, a group per function.
class HParamsReader {
 public:
  HParamsReader(const gguf_context* gguf, HParams& out) : gguf_(gguf), keys_(gguf), out_(out) {}

  Status architecture(std::span<const std::string_view> supported);
  Status unsupported_features();
  Status sizes();
  Status heads();
  Status vocabulary();
  Status rope();
  Status rope_scaling();

 private:
  std::string key(const char* suffix) const { return out_.arch + "." + suffix; }

  // A key that must be absent or 0, since its feature is not supported.
  Status must_be_zero(const char* suffix, const char* feature) const {
    uint32_t value = 0;
    RESTKV_RETURN_IF_ERROR(keys_.get_u32_per_layer(key(suffix), false, out_.n_layer, value));
    if (value == 0) return {};
    return Status::model(std::string(feature) + " are not supported (key \"" + key(suffix) +
                         "\" is " + std::to_string(value) + ")");
  }

  Status scale_factor(float& scale) const;
  void yarn_factors(float attn_factor);

  const gguf_context* gguf_;
  GgufKeys keys_;
  HParams& out_;
};

Status HParamsReader::architecture(std::span<const std::string_view> supported) {
  RESTKV_RETURN_IF_ERROR(keys_.get_string("general.architecture", true, out_.arch));
  if (std::find(supported.begin(), supported.end(), out_.arch) != supported.end()) return {};
  std::string list;
  for (const std::string_view name : supported) {
    if (!list.empty()) list += ", ";
    list += name;
  }
  return Status::model("architecture \"" + printable(out_.arch) +
                       "\" is not supported (supported: " + list + ")");
}

Status HParamsReader::unsupported_features() {
  uint16_t n_split = 0;
  RESTKV_RETURN_IF_ERROR(keys_.get_u16("split.count", false, n_split));
  if (n_split > 1) {
    return Status::model("split files are not supported (key \"split.count\" is " +
                         std::to_string(n_split) + "); join them with llama-gguf-split --merge");
  }
  RESTKV_RETURN_IF_ERROR(must_be_zero("expert_count", "mixtures of experts"));
  RESTKV_RETURN_IF_ERROR(must_be_zero("nextn_predict_layers", "next-token prediction layers"));
  bool causal = true;
  RESTKV_RETURN_IF_ERROR(keys_.get_bool(key("attention.causal"), false, causal));
  if (!causal) {
    return Status::model("models without causal attention are not supported (key \"" +
                         key("attention.causal") + "\" is false)");
  }
  return {};
}

Status HParamsReader::sizes() {
  RESTKV_RETURN_IF_ERROR(keys_.get_u32(key("block_count"), true, out_.n_layer));
  RESTKV_RETURN_IF_ERROR(in_range(key("block_count"), out_.n_layer, 1, kMaxLayers));
  RESTKV_RETURN_IF_ERROR(keys_.get_u32(key("embedding_length"), true, out_.n_embd));
  RESTKV_RETURN_IF_ERROR(in_range(key("embedding_length"), out_.n_embd, 1, kMaxWidth));
  RESTKV_RETURN_IF_ERROR(keys_.get_u32(key("context_length"), true, out_.n_ctx_train));
  RESTKV_RETURN_IF_ERROR(in_range(key("context_length"), out_.n_ctx_train, 1, kMaxContext));
  const std::string n_ff = key("feed_forward_length");
  RESTKV_RETURN_IF_ERROR(keys_.get_u32_per_layer(n_ff, true, out_.n_layer, out_.n_ff));
  RESTKV_RETURN_IF_ERROR(in_range(n_ff, out_.n_ff, 1, kMaxFeedForward));
  const std::string eps = key("attention.layer_norm_rms_epsilon");
  RESTKV_RETURN_IF_ERROR(keys_.get_f32(eps, true, out_.rms_eps));
  return in_range(eps, out_.rms_eps, 0.0f, 1.0f);
}

Status HParamsReader::heads() {
  const std::string n_head = key("attention.head_count");
  RESTKV_RETURN_IF_ERROR(keys_.get_u32_per_layer(n_head, true, out_.n_layer, out_.n_head));
  RESTKV_RETURN_IF_ERROR(in_range(n_head, out_.n_head, 1, kMaxHeads));
  const std::string n_head_kv = key("attention.head_count_kv");
  out_.n_head_kv = out_.n_head;
  RESTKV_RETURN_IF_ERROR(keys_.get_u32_per_layer(n_head_kv, false, out_.n_layer, out_.n_head_kv));
  RESTKV_RETURN_IF_ERROR(in_range(n_head_kv, out_.n_head_kv, 1, out_.n_head));
  if (out_.n_head % out_.n_head_kv != 0) {
    return Status::model("key \"" + n_head_kv + "\" is " + std::to_string(out_.n_head_kv) +
                         ", which does not divide the " + std::to_string(out_.n_head) +
                         " query heads of \"" + n_head + "\"");
  }
  const std::string k_length = key("attention.key_length");
  if (!keys_.has(k_length) && out_.n_embd % out_.n_head != 0) {
    return Status::model("key \"" + n_head + "\" is " + std::to_string(out_.n_head) +
                         ", which does not divide the embedding length " +
                         std::to_string(out_.n_embd) + ", and \"" + k_length + "\" is missing");
  }
  out_.head_dim = out_.n_embd / out_.n_head;
  uint32_t v_length = out_.head_dim;
  RESTKV_RETURN_IF_ERROR(keys_.get_u32(k_length, false, out_.head_dim));
  RESTKV_RETURN_IF_ERROR(keys_.get_u32(key("attention.value_length"), false, v_length));
  RESTKV_RETURN_IF_ERROR(in_range(k_length, out_.head_dim, 2, kMaxHeadDim));
  if (out_.head_dim % 2 != 0) {
    return Status::model("the head width " + std::to_string(out_.head_dim) +
                         " is odd (RoPE needs an even one)");
  }
  if (v_length != out_.head_dim) {
    return Status::model("the value width " + std::to_string(v_length) +
                         " differs from the key width " + std::to_string(out_.head_dim) +
                         ", which is not supported");
  }
  out_.attention_scale = 1.0f / sqrtf(static_cast<float>(out_.head_dim));
  return {};
}

Status HParamsReader::vocabulary() {
  const std::string tokens = "tokenizer.ggml.tokens";
  int64_t id = -1;
  RESTKV_RETURN_IF_ERROR(keys_.find_array(tokens, true, GGUF_TYPE_STRING, id));
  const size_t n = gguf_get_arr_n(gguf_, id);
  if (n < 1 || n > kMaxVocab) {
    return Status::model("key \"" + tokens + "\" has " + std::to_string(n) +
                         " tokens (allowed: 1 to " + std::to_string(kMaxVocab) + ")");
  }
  out_.n_vocab = static_cast<uint32_t>(n);
  uint32_t declared = out_.n_vocab;
  RESTKV_RETURN_IF_ERROR(keys_.get_u32(key("vocab_size"), false, declared));
  if (declared == out_.n_vocab) return {};
  return Status::model("the vocabulary does not match: key \"" + key("vocab_size") + "\" is " +
                       std::to_string(declared) + ", the tokenizer has " + std::to_string(n) +
                       " tokens");
}

Status HParamsReader::rope() {
  const std::string n_rot = key("rope.dimension_count");
  out_.n_rot = out_.head_dim;
  RESTKV_RETURN_IF_ERROR(keys_.get_u32(n_rot, false, out_.n_rot));
  RESTKV_RETURN_IF_ERROR(in_range(n_rot, out_.n_rot, 2, out_.head_dim));
  // Of the supported families libllama turns only part of a head in gemma.
  if (out_.n_rot % 2 != 0 || (out_.arch != "gemma" && out_.n_rot != out_.head_dim)) {
    return Status::model("key \"" + n_rot + "\" is " + std::to_string(out_.n_rot) +
                         " (expected: the head width " + std::to_string(out_.head_dim) + ")");
  }
  const std::string base = key("rope.freq_base");
  RESTKV_RETURN_IF_ERROR(keys_.get_f32(base, false, out_.rope_freq_base));
  return in_range(base, out_.rope_freq_base, 1.0f, 1e12f);
}

// The factor by which the context was stretched; 0 or no key means 1, as in libllama.
Status HParamsReader::scale_factor(float& scale) const {
  std::string name = key("rope.scaling.factor");
  if (!keys_.has(name)) name = key("rope.scale_linear");  // the name before 2023-10
  float factor = 0.0f;
  RESTKV_RETURN_IF_ERROR(keys_.get_f32(name, false, factor));
  if (factor != 0.0f) RESTKV_RETURN_IF_ERROR(in_range(name, factor, 0.01f, 1e6f));
  scale = factor == 0.0f ? 1.0f : 1.0f / factor;
  return {};
}

// ggml_rope_ext multiplies by 1 + 0.1 ln(factor) itself when ext_factor is not 0; libllama divides
// it out again. The order of the float operations is libllama's, for equal bits.
void HParamsReader::yarn_factors(float attn_factor) {
  if (out_.rope_scaling == RopeScaling::yarn) {
    out_.yarn_ext_factor = 1.0f;
    const float factor = 1.0f / out_.rope_freq_scale;
    out_.yarn_attn_factor = factor <= 1.0f ? 1.0f : 0.1f * 1.0f * logf(factor) + 1.0f;
    out_.yarn_attn_factor *= 1.0f / (1.0f + 0.1f * logf(factor));
  }
  out_.yarn_attn_factor *= attn_factor;
}

Status HParamsReader::rope_scaling() {
  std::string type = "linear";  // libllama's default; with factor 1 it does nothing
  RESTKV_RETURN_IF_ERROR(keys_.get_string(key("rope.scaling.type"), false, type));
  if (type != "none" && type != "linear" && type != "yarn") {
    return Status::model("RoPE scaling \"" + printable(type) +
                         "\" is not supported (supported: none, linear, yarn)");
  }
  RESTKV_RETURN_IF_ERROR(scale_factor(out_.rope_freq_scale));
  if (type == "none") out_.rope_freq_scale = 1.0f;
  if (type == "linear" && out_.rope_freq_scale != 1.0f) out_.rope_scaling = RopeScaling::linear;
  if (type == "yarn") out_.rope_scaling = RopeScaling::yarn;
  const std::string orig = key("rope.scaling.original_context_length");
  RESTKV_RETURN_IF_ERROR(keys_.get_u32(orig, false, out_.n_ctx_orig));
  if (out_.n_ctx_orig == 0) out_.n_ctx_orig = out_.n_ctx_train;
  RESTKV_RETURN_IF_ERROR(in_range(orig, out_.n_ctx_orig, 1, kMaxContext));
  const std::string attn = key("rope.scaling.attn_factor");
  float attn_factor = 1.0f;
  RESTKV_RETURN_IF_ERROR(keys_.get_f32(attn, false, attn_factor));
  RESTKV_RETURN_IF_ERROR(in_range(attn, attn_factor, 1e-3f, 1e3f));
  yarn_factors(attn_factor);
  return {};
}

}  // namespace

Result<HParams> read_hparams(const gguf_context* gguf,
                             std::span<const std::string_view> supported) {
  HParams out;
  HParamsReader reader(gguf, out);
  RESTKV_RETURN_IF_ERROR(reader.architecture(supported));
  RESTKV_RETURN_IF_ERROR(reader.sizes());
  RESTKV_RETURN_IF_ERROR(reader.unsupported_features());
  RESTKV_RETURN_IF_ERROR(reader.heads());
  RESTKV_RETURN_IF_ERROR(reader.vocabulary());
  RESTKV_RETURN_IF_ERROR(reader.rope());
  RESTKV_RETURN_IF_ERROR(reader.rope_scaling());
  return out;
}

}  // namespace restkv
