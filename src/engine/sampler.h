// The next token from logits: libllama's sampler chain, in llama.cpp's order.
//
// Thread safety: one sampler serves one sequence. While create() parses a grammar the process's
// standard error stream points elsewhere: libllama prints what is wrong with it there.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llama-cpp.h"
#include "model/tokenizer.h"
#include "restkv/options.h"
#include "restkv/status.h"

namespace restkv {

class Sampler {
 public:
  // Error: model (a grammar that does not parse).
  static Result<std::unique_ptr<Sampler>> create(const SamplingOptions& options,
                                                 const Tokenizer& tokenizer);

  // The token drawn from logits [n_vocab], or nothing when the grammar allows none but the banned
  // ones: the text is complete. `banned` are never drawn.
  std::optional<int32_t> sample(std::span<const float> logits,
                                std::span<const int32_t> banned = {});
  // Tells grammar and penalties what was taken.
  void accept(int32_t token);
  // Tells the penalties what the prompt was, before the first accept().
  void accept_prompt(std::span<const int32_t> tokens);

 private:
  llama_sampler_ptr chain_;
  llama_sampler_ptr grammar_;
  std::vector<llama_token_data> candidates_;
};

}  // namespace restkv
