#include "eval/prompt.h"

#include <algorithm>
#include <span>

#include "scores/text.h"

namespace restkv {
namespace {

using Tokens = std::vector<int32_t>;

// A half may end within a character; the tokenizer gets U+FFFD there, as from Python's decoders.
std::string repaired(const std::string& text) {
  return encode_utf8(decode_utf8(text));
}

// `tokens` are those of the whole text.
std::string without_middle(const TextTokens& plain, const Tokens& tokens, int64_t max_length) {
  const std::span<const int32_t> all(tokens);
  const auto half = static_cast<size_t>(max_length / 2);
  return repaired(plain.decode(all.first(half))) + repaired(plain.decode(all.last(half)));
}

int64_t size_of(const Tokens& tokens) {
  return static_cast<int64_t>(tokens.size());
}

Result<Prompt> make_raw(const TextTokens& plain, const std::string& text, int64_t max_length) {
  Prompt prompt;
  RESTKV_ASSIGN_OR_RETURN(prompt.tokens, plain.encode(text, true));
  const int64_t n = size_of(prompt.tokens);
  if (n <= max_length) return prompt;
  RESTKV_ASSIGN_OR_RETURN(prompt.tokens,
                          plain.encode(without_middle(plain, prompt.tokens, max_length), true));
  prompt.n_truncated = n - size_of(prompt.tokens);
  return prompt;
}

Result<Prompt> make_chat(const PromptText& text, const Sample& sample, int64_t max_length) {
  RESTKV_ASSIGN_OR_RETURN(const int64_t n_form, count_chat_form(text));
  RESTKV_ASSIGN_OR_RETURN(const Tokens prefix, text.plain.encode(sample.answer_prefix, false));
  const int64_t room = max_length - n_form - size_of(prefix);
  if (room < 2) {
    return Status::capacity("--max-length leaves a prompt " + std::to_string(max_length) +
                            " tokens, the chat form and the answer's prefix alone have " +
                            std::to_string(max_length - room));
  }
  Prompt prompt;
  RESTKV_ASSIGN_OR_RETURN(const Tokens message, text.plain.encode(sample.prompt, false));
  RESTKV_ASSIGN_OR_RETURN(prompt.tokens, text.chat(sample.prompt));
  if (size_of(message) > room) {
    const int64_t n = size_of(prompt.tokens);
    RESTKV_ASSIGN_OR_RETURN(prompt.tokens, text.chat(without_middle(text.plain, message, room)));
    prompt.n_truncated = n - size_of(prompt.tokens);
  }
  prompt.tokens.insert(prompt.tokens.end(), prefix.begin(), prefix.end());
  return prompt;
}

}  // namespace

TextTokens text_tokens(const Tokenizer& tokenizer) {
  return {
      .encode = [&tokenizer](std::string_view text,
                             bool special) { return tokenizer.tokenize(text, special, true); },
      .decode = [&tokenizer](std::span<const int32_t> tokens) { return tokenizer.text(tokens); }};
}

PromptText prompt_text(const Model& model) {
  const Tokenizer& tokenizer = model.tokenizer();
  return {.plain = text_tokens(tokenizer), .chat = [&tokenizer](const std::string& message) {
            return tokenizer.tokenize_chat({{"user", message}});
          }};
}

int64_t max_prompt_tokens(const PromptOptions& options, int64_t n_new) {
  if (options.max_length > 0) return options.max_length;
  return options.n_ctx_train - std::min(n_new, options.n_ctx_train / 2);
}

Result<int64_t> count_chat_form(const PromptText& text) {
  // A template may trim an empty message's surroundings; a letter is one token of its own.
  RESTKV_ASSIGN_OR_RETURN(const Tokens around, text.chat("x"));
  RESTKV_ASSIGN_OR_RETURN(const Tokens letter, text.plain.encode("x", false));
  return static_cast<int64_t>(around.size()) - static_cast<int64_t>(letter.size());
}

Result<Prompt> make_prompt(const PromptText& text, const Sample& sample,
                           const PromptOptions& options) {
  const int64_t max_length = max_prompt_tokens(options, sample.n_new);
  const bool wraps = options.style == PromptStyle::chat && sample.chat_wrap;
  RESTKV_ASSIGN_OR_RETURN(
      Prompt prompt, wraps
                         ? make_chat(text, sample, max_length)
                         : make_raw(text.plain, sample.prompt + sample.answer_prefix, max_length));
  if (prompt.tokens.empty()) return Status::model("the prompt is empty");
  return prompt;
}

}  // namespace restkv
