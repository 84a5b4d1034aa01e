#include "model/tokenizer.h"

#include <algorithm>
#include <climits>

#include "model/deep_stack.h"

namespace restkv {
namespace {

// Stands for the content of message i while the template is applied, so that template and content
// can be told apart afterwards. Nothing but letters, for templates that trim their content.
std::string placeholder(size_t i) {
  return "RESTKVMESSAGE" + std::to_string(i) + "END";
}

// Bytes: libllama counts them in 32 bits, a template may double them.
constexpr size_t kMaxText = INT_MAX / 4;

bool is_continuation(unsigned char c) {
  return (c & 0xC0) == 0x80;
}

}  // namespace

bool is_valid_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = [&](size_t k) { return static_cast<unsigned char>(text[i + k]); };
    const unsigned char lead = byte(0);
    const size_t n = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (n > 1 && (lead < 0xC2 || lead > 0xF4)) return false;
    if (i + n > text.size()) return false;
    for (size_t k = 1; k < n; ++k) {
      if (!is_continuation(byte(k))) return false;
    }
    // Overlong forms, surrogates, and code points past U+10FFFF.
    if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F) ||
        (lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) {
      return false;
    }
    i += n;
  }
  return true;
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::load(const std::string& path) {
  auto tokenizer = std::make_unique<Tokenizer>();
  llama_model_params params = llama_model_default_params();
  params.vocab_only = true;
  tokenizer->model_.reset(llama_model_load_from_file(path.c_str(), params));
  if (!tokenizer->model_) {
    return Status::model(path + ": libllama rejects the tokenizer of this file");
  }
  const char* text = llama_model_chat_template(tokenizer->model_.get(), nullptr);
  if (text != nullptr) tokenizer->template_ = text;
  return tokenizer;
}

Result<std::vector<int32_t>> Tokenizer::tokenize(std::string_view text, bool add_special,
                                                 bool parse_special) const {
  if (text.size() > kMaxText) {
    return Status::capacity("a text of " + std::to_string(text.size()) +
                            " bytes is longer than the tokenizer takes (" +
                            std::to_string(kMaxText) + ")");
  }
  std::vector<int32_t> ids(text.size() + 8);
  const auto call = [&] {
    return llama_tokenize(vocab(), text.data(), static_cast<int32_t>(text.size()), ids.data(),
                          static_cast<int32_t>(ids.size()), add_special, parse_special);
  };
  int32_t n = 0;
  RESTKV_RETURN_IF_ERROR(run_for_text(text.size(), [&] {
    n = call();
    if (n < 0 && n != INT32_MIN) {
      ids.resize(-n);
      n = call();
    }
  }));
  if (n < 0) return Status::capacity("the text has more tokens than the tokenizer can count");
  ids.resize(n);
  return ids;
}

std::string Tokenizer::piece(int32_t token) const {
  std::string out(64, '\0');
  int32_t n = llama_token_to_piece(vocab(), token, out.data(), out.size(), 0, false);
  if (n < 0) {
    out.resize(-n);
    n = llama_token_to_piece(vocab(), token, out.data(), out.size(), 0, false);
  }
  out.resize(std::max(n, 0));
  return out;
}

std::string Tokenizer::text(std::span<const int32_t> tokens) const {
  std::string out(tokens.size() * 8 + 64, '\0');
  const auto call = [&] {
    return llama_detokenize(vocab(), tokens.data(), static_cast<int32_t>(tokens.size()), out.data(),
                            static_cast<int32_t>(out.size()), true, false);
  };
  int32_t n = call();
  if (n < 0) {
    out.resize(-n);
    n = call();
  }
  out.resize(std::max(n, 0));
  return out;
}

Result<std::string> Tokenizer::apply_template(const std::vector<ChatMessage>& messages) const {
  std::vector<llama_chat_message> chat;
  size_t size = 4096;
  for (const ChatMessage& message : messages) {
    chat.push_back({message.role.c_str(), message.content.c_str()});
    size += 2 * message.content.size();
  }
  std::string text(size, '\0');
  const auto call = [&] {
    return llama_chat_apply_template(template_.c_str(), chat.data(), chat.size(), true, text.data(),
                                     static_cast<int32_t>(text.size()));
  };
  int32_t n = call();
  if (n > static_cast<int32_t>(text.size())) {
    text.resize(n);
    n = call();
  }
  if (n < 0) {
    return Status::model(
        "the model's chat template is none that libllama knows; --raw goes "
        "without a template");
  }
  text.resize(n);
  return text;
}

Result<std::vector<int32_t>> Tokenizer::tokenize_whole(const std::string& text) const {
  RESTKV_ASSIGN_OR_RETURN(std::vector<int32_t> ids, tokenize(text, true, true));
  // A template that writes its own BOS must not get a second one.
  if (ids.size() > 1 && ids[0] == llama_vocab_bos(vocab()) && ids[1] == ids[0]) {
    ids.erase(ids.begin());
  }
  return ids;
}

Result<std::vector<int32_t>> Tokenizer::tokenize_chat(
    const std::vector<ChatMessage>& messages) const {
  bool plain = true;
  for (const ChatMessage& message : messages) {
    RESTKV_ASSIGN_OR_RETURN(const auto parsed, tokenize(message.content, false, true));
    RESTKV_ASSIGN_OR_RETURN(const auto literal, tokenize(message.content, false, false));
    plain = plain && parsed == literal;
  }
  if (plain) {
    RESTKV_ASSIGN_OR_RETURN(const std::string text, apply_template(messages));
    return tokenize_whole(text);
  }
  return tokenize_messages(messages, 0);
}

Result<int64_t> Tokenizer::count_system_tokens(const std::vector<ChatMessage>& messages,
                                               const std::vector<int32_t>& ids) const {
  // What two conversations that differ in the user's text alone begin with.
  std::vector<ChatMessage> other;
  for (const ChatMessage& message : messages) {
    other.push_back(message);
    if (message.role == "user") break;
  }
  size_t n = ids.size();
  for (const char* text : {"A", "0"}) {
    other.back().content = text;
    RESTKV_ASSIGN_OR_RETURN(const auto begins, tokenize_chat(other));
    const auto end = std::mismatch(ids.begin(), ids.end(), begins.begin(), begins.end()).first;
    n = std::min<size_t>(n, end - ids.begin());
  }
  return static_cast<int64_t>(n);
}

Result<std::vector<int32_t>> Tokenizer::tokenize_turn(const std::vector<ChatMessage>& messages,
                                                      size_t first) const {
  return tokenize_messages(messages, first);
}

Result<std::vector<int32_t>> Tokenizer::tokenize_messages(const std::vector<ChatMessage>& messages,
                                                          size_t first) const {
  std::vector<ChatMessage> stand_ins = messages;
  for (size_t i = 0; i < messages.size(); ++i)
    stand_ins[i].content = placeholder(i);
  RESTKV_ASSIGN_OR_RETURN(const std::string text, apply_template(stand_ins));
  size_t at = 0;
  if (first > 0) {
    const std::string& last_known = stand_ins[first - 1].content;
    const size_t found = text.find(last_known);
    if (found == std::string::npos) {
      return Status::model("the model's chat template leaves out a message of the conversation");
    }
    at = found + last_known.size();
  }
  std::vector<int32_t> ids;
  const auto append = [&](const Result<std::vector<int32_t>>& part) -> Status {
    if (part.ok()) ids.insert(ids.end(), part->begin(), part->end());
    return part.status();
  };
  for (size_t i = first; i < messages.size(); ++i) {
    const size_t found = text.find(stand_ins[i].content, at);
    if (found == std::string::npos) continue;  // a template may leave a message out
    const std::string before = text.substr(at, found - at);
    RESTKV_RETURN_IF_ERROR(
        append(at == 0 ? tokenize_whole(before) : tokenize(before, false, true)));
    RESTKV_RETURN_IF_ERROR(append(tokenize(messages[i].content, false, false)));
    at = found + stand_ins[i].content.size();
  }
  RESTKV_RETURN_IF_ERROR(append(tokenize(text.substr(at), false, true)));
  return ids;
}

}  // namespace restkv
