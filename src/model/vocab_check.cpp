#include "model/vocab_check.h"

#include <string>
#include <string_view>
#include <unordered_map>

#include "gguf.h"
#include "model/gguf_check.h"
#include "model/gguf_keys.h"

namespace restkv {
namespace {

// Leaves spaces in the text; libllama asserts that there are none when it looks for a BPE merge.
constexpr std::string_view kRawTextPreTokenizer = "whitespace";

// What a missing or all-ones special token id stands for in files in the wild.
constexpr uint32_t kNoToken = UINT32_MAX;

Status check_tokenizer(const GgufKeys& keys, std::string& model) {
  RESTKV_RETURN_IF_ERROR(keys.get_string("tokenizer.ggml.model", true, model));
  if (model != "llama" && model != "gpt2") {
    return Status::model("tokenizer \"" + printable(model) +
                         "\" is not supported (supported: llama, gpt2)");
  }
  std::string pre;
  RESTKV_RETURN_IF_ERROR(keys.get_string("tokenizer.ggml.pre", false, pre));
  if (model == "gpt2" && pre == kRawTextPreTokenizer) {
    return Status::model("pre-tokenizer \"" + pre + "\" is not supported with tokenizer \"gpt2\"");
  }
  return {};
}

Status check_tokens(const gguf_context* gguf, const GgufKeys& keys, size_t& n_token) {
  int64_t id = -1;
  RESTKV_RETURN_IF_ERROR(keys.find_array("tokenizer.ggml.tokens", true, GGUF_TYPE_STRING, id));
  n_token = gguf_get_arr_n(gguf, id);
  std::unordered_map<std::string, size_t> seen;
  seen.reserve(n_token);
  for (size_t i = 0; i < n_token; ++i) {
    // libllama takes the text up to a NUL and gives empty tokens a name of their own.
    std::string text = gguf_get_arr_str(gguf, id, i);
    if (text.empty()) text = "[EMPTY_" + std::to_string(i) + "]";
    const auto [other, inserted] = seen.emplace(std::move(text), i);
    if (!inserted) {
      return Status::model("key \"tokenizer.ggml.tokens\" has the token \"" +
                           printable(other->first) + "\" twice, as " +
                           std::to_string(other->second) + " and " + std::to_string(i));
    }
  }
  return {};
}

// With the key absent libllama falls back to an id that suits its first model of the kind.
Status check_special(const GgufKeys& keys, const char* key, uint32_t fallback, size_t n_token) {
  uint32_t id = kNoToken;
  RESTKV_RETURN_IF_ERROR(keys.get_u32(key, false, id));
  if (id == kNoToken) id = fallback;
  if (id < n_token) return {};
  return Status::model(std::string("key \"") + key + "\" " +
                       (keys.has(key) ? "is " : "is missing and its default is ") +
                       std::to_string(id) + " (allowed: 0 to " + std::to_string(n_token - 1) + ")");
}

}  // namespace

Status check_vocab(const gguf_context* gguf) {
  const GgufKeys keys(gguf);
  std::string model;
  RESTKV_RETURN_IF_ERROR(check_tokenizer(keys, model));
  size_t n_token = 0;
  RESTKV_RETURN_IF_ERROR(check_tokens(gguf, keys, n_token));
  const bool spm = model == "llama";
  RESTKV_RETURN_IF_ERROR(check_special(keys, "tokenizer.ggml.bos_token_id", spm ? 1 : 11, n_token));
  return check_special(keys, "tokenizer.ggml.eos_token_id", spm ? 2 : 11, n_token);
}

}  // namespace restkv
