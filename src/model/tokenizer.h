// Text to token ids and back, chat templates: libllama's, loaded without weights.
//
// Thread safety: read-only after load().
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llama-cpp.h"
#include "restkv/status.h"

namespace restkv {

struct ChatMessage {
  std::string role;  // system, user, assistant
  std::string content;
};

class Tokenizer {
 public:
  // REQUIRES: the file has passed the checks of gguf_check.h and hparams.h.
  static Result<std::unique_ptr<Tokenizer>> load(const std::string& path);

  // add_special: BOS (and EOS) where the model wants them. parse_special: text such as
  // "<|im_start|>" becomes the special token; off for what a user typed.
  Result<std::vector<int32_t>> tokenize(std::string_view text, bool add_special,
                                        bool parse_special) const;
  std::string piece(int32_t token) const;
  // The text of a run of tokens, special ones left out: the blank that a SentencePiece vocabulary
  // puts in front of a text is not part of it. May end within a character.
  std::string text(std::span<const int32_t> tokens) const;

  bool is_end(int32_t token) const { return llama_vocab_is_eog(vocab(), token); }
  int32_t n_vocab() const { return llama_vocab_n_tokens(vocab()); }
  bool has_chat_template() const { return !template_.empty(); }

  // The ids of a conversation that ends where the assistant is to speak. Text of a message that
  // looks like a special token stays plain text: such a conversation is tokenized in parts, any
  // other as a whole, as llama.cpp does it.
  // Error: model, when the file's template is none that libllama knows.
  Result<std::vector<int32_t>> tokenize_chat(const std::vector<ChatMessage>& messages) const;

  // What follows the text of message first - 1, an answer that the model gave, up to where the
  // assistant is to speak again: the answer's end in the template, then the messages from `first`
  // on. REQUIRES: 0 < first < messages.size(). Errors as tokenize_chat().
  Result<std::vector<int32_t>> tokenize_turn(const std::vector<ChatMessage>& messages,
                                             size_t first) const;

  // How many of the first `ids`, tokenize_chat()'s of these messages, stand before the text of the
  // first user message: the template's system part. Errors as tokenize_chat().
  Result<int64_t> count_system_tokens(const std::vector<ChatMessage>& messages,
                                      const std::vector<int32_t>& ids) const;

  const llama_vocab* vocab() const { return llama_model_get_vocab(model_.get()); }

 private:
  Result<std::string> apply_template(const std::vector<ChatMessage>& messages) const;
  Result<std::vector<int32_t>> tokenize_whole(const std::string& text) const;
  // The template around the messages from `first` on, and their texts as plain text.
  Result<std::vector<int32_t>> tokenize_messages(const std::vector<ChatMessage>& messages,
                                                 size_t first) const;

  llama_model_ptr model_;
  std::string template_;
};

bool is_valid_utf8(std::string_view text);

}  // namespace restkv
