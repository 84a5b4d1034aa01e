// Prompts that are too long lose their middle, as the published runners cut them.
#include "eval/prompt.h"

#include <gtest/gtest.h>

namespace restkv {
namespace {

constexpr int32_t kBegin = 1000, kUser = 1001, kAssistant = 1002;

// A token a byte, and one in front of a text. The chat form is <user> message <assistant>.
PromptText byte_text() {
  const auto encode = [](std::string_view text, bool special) -> Result<std::vector<int32_t>> {
    std::vector<int32_t> tokens;
    if (special) tokens.push_back(kBegin);
    for (const char c : text)
      tokens.push_back(static_cast<unsigned char>(c));
    return tokens;
  };
  const auto decode = [](std::span<const int32_t> tokens) {
    std::string text;
    for (const int32_t token : tokens)
      if (token < 256) text += static_cast<char>(token);
    return text;
  };
  const auto chat = [encode](const std::string& message) -> Result<std::vector<int32_t>> {
    auto tokens = *encode(message, false);
    tokens.insert(tokens.begin(), kUser);
    tokens.push_back(kAssistant);
    return tokens;
  };
  return {.plain = {.encode = encode, .decode = decode}, .chat = chat};
}

std::string text_of(const Prompt& prompt) {
  return byte_text().plain.decode(prompt.tokens);
}

Sample sample_of(const std::string& text, const std::string& prefix = "") {
  Sample sample;
  sample.prompt = text;
  sample.answer_prefix = prefix;
  sample.n_new = 4;
  return sample;
}

Prompt make(const Sample& sample, const PromptOptions& options) {
  auto prompt = make_prompt(byte_text(), sample, options);
  EXPECT_TRUE(prompt.ok()) << prompt.status().message();
  return prompt.ok() ? std::move(*prompt) : Prompt{};
}

TEST(Prompt, RawKeepsWhatFits) {
  const Prompt prompt = make(sample_of("0123456789", "ab"), {.max_length = 13});
  EXPECT_EQ(text_of(prompt), "0123456789ab");
  EXPECT_EQ(prompt.tokens.front(), kBegin);
  EXPECT_EQ(prompt.n_truncated, 0);
}

// Half of the limit from either end, counted with the token in front, which comes back.
TEST(Prompt, RawLosesItsMiddle) {
  const Prompt prompt = make(sample_of("0123456789", "ab"), {.max_length = 7});
  EXPECT_EQ(text_of(prompt), "019ab");  // 3 tokens, of which one is no text, and 3
  EXPECT_EQ(prompt.tokens.front(), kBegin);
  EXPECT_EQ(prompt.n_truncated, 13 - 6);
}

TEST(Prompt, HalvesOfACharacterBecomeReplacements) {
  const Prompt prompt = make(sample_of("a\xC3\xA4xxxxxx\xC3\xA4"), {.max_length = 6});
  EXPECT_EQ(text_of(prompt), "a\xEF\xBF\xBDx\xC3\xA4");
}

TEST(Prompt, ChatCutsTheMessageNotTheForm) {
  const PromptOptions options{.style = PromptStyle::chat, .max_length = 10};
  const Prompt prompt = make(sample_of("0123456789", "ab"), options);
  EXPECT_EQ(prompt.tokens.front(), kUser);
  EXPECT_EQ(text_of(prompt), "012789ab");
  EXPECT_EQ(prompt.tokens.size(), 10);
  EXPECT_EQ(prompt.n_truncated, 4);
}

TEST(Prompt, ChatLeavesSomeTasksRaw) {
  Sample sample = sample_of("0123");
  sample.chat_wrap = false;
  const Prompt prompt = make(sample, {.style = PromptStyle::chat, .max_length = 10});
  EXPECT_EQ(prompt.tokens.front(), kBegin);
}

TEST(Prompt, LimitLeavesRoomForTheAnswer) {
  EXPECT_EQ(max_prompt_tokens({.n_ctx_train = 2048}, 64), 2048 - 64);
  EXPECT_EQ(max_prompt_tokens({.n_ctx_train = 2048}, 30000), 1024);
  EXPECT_EQ(max_prompt_tokens({.max_length = 100, .n_ctx_train = 2048}, 64), 100);
}

TEST(Prompt, RefusesALimitBelowTheChatForm) {
  const auto prompt = make_prompt(byte_text(), sample_of("0123", "a long prefix"),
                                  {.style = PromptStyle::chat, .max_length = 10});
  ASSERT_FALSE(prompt.ok());
  EXPECT_EQ(prompt.status().kind(), ErrorKind::capacity);
}

TEST(Prompt, CountsTheChatForm) {
  EXPECT_EQ(*count_chat_form(byte_text()), 2);
}

}  // namespace
}  // namespace restkv
