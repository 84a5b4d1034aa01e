// A sample's text as the tokens that the model reads: the style of the prompt, and what is cut out
// of one that is too long.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "model/model.h"
#include "restkv/status.h"
#include "tasks/sample.h"
#include "tasks/source.h"

namespace restkv {

enum class PromptStyle {
  raw,   // the text as it is, as the ReST-KV paper's runs
  chat,  // as the user's message in the model's chat form, where the sample's task wants it
};

struct PromptText {
  TextTokens plain;
  // The ids of one message of the user, up to where the assistant is to speak.
  std::function<Result<std::vector<int32_t>>(const std::string& message)> chat;
};
// The model must outlive it.
PromptText prompt_text(const Model& model);
// A tokenizer as generators want it. Text such as "<|im_start|>" becomes the special token.
TextTokens text_tokens(const Tokenizer& tokenizer);

struct PromptOptions {
  PromptStyle style = PromptStyle::raw;
  int64_t max_length = 0;   // tokens of a prompt; 0: the trained context less the answer
  int64_t n_ctx_train = 0;  // tokens
};

struct Prompt {
  std::vector<int32_t> tokens;
  int64_t n_truncated = 0;  // tokens that the whole prompt had more
};

// Tokens that a sample's prompt may have. An answer that is longer than half of the trained context
// leaves the prompt that half.
int64_t max_prompt_tokens(const PromptOptions& options, int64_t n_new);

// Too long a prompt loses its middle: its first and last max_length / 2 tokens are turned into text
// apart, joined and tokenized again, so that it may end up some tokens off. In the chat style the
// message is cut before it is wrapped, by as much as the form around it needs. The answer's prefix
// counts as the end of a raw prompt, and opens the assistant's turn in a chat.
// Errors: model (a chat template that libllama does not know), capacity (a text too long for the
// tokenizer, a limit that does not hold the chat form).
Result<Prompt> make_prompt(const PromptText& text, const Sample& sample,
                           const PromptOptions& options);

// What the chat form adds around a message, in tokens. Errors: as make_prompt().
Result<int64_t> count_chat_form(const PromptText& text);

}  // namespace restkv
