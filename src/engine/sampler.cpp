#include "engine/sampler.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace restkv {
namespace {

// What is written to the standard error stream while this lives goes to a file in memory instead.
class CapturedStderr {
 public:
  CapturedStderr() : file_(memfd_create("stderr", MFD_CLOEXEC)) {
    if (file_ < 0) return;
    std::fflush(stderr);
    saved_ = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (saved_ >= 0) {
      dup2(file_, STDERR_FILENO);
    } else {
      close(file_);
    }
  }
  ~CapturedStderr() { finish(); }

  std::string finish() {
    std::string text(512, '\0');
    if (saved_ < 0) return "";
    std::fflush(stderr);
    dup2(saved_, STDERR_FILENO);
    const ssize_t n = pread(file_, text.data(), text.size(), 0);
    close(saved_);
    close(file_);
    saved_ = -1;
    text.resize(std::max<ssize_t>(n, 0));
    return text;
  }

 private:
  int file_, saved_ = -1;
};

// libllama prints what is wrong with a grammar instead of returning it; its words become `reason`.
llama_sampler_ptr parse_grammar(const Tokenizer& tokenizer, const std::string& text,
                                std::string* reason) {
  CapturedStderr captured;
  llama_sampler_ptr grammar(llama_sampler_init_grammar(tokenizer.vocab(), text.c_str(), "root"));
  const std::string printed = captured.finish();
  const std::string first = printed.substr(0, printed.find('\n'));
  if (!first.empty()) *reason = " (" + first + ")";
  return grammar;
}

}  // namespace

Result<std::unique_ptr<Sampler>> Sampler::create(const SamplingOptions& options,
                                                 const Tokenizer& tokenizer) {
  auto sampler = std::make_unique<Sampler>();
  if (!options.grammar.empty()) {
    std::string reason;
    sampler->grammar_ = parse_grammar(tokenizer, options.grammar, &reason);
    if (!sampler->grammar_) {
      return Status::model("the grammar does not parse, it must be GBNF with a rule named root" +
                           reason);
    }
  }
  sampler->chain_.reset(llama_sampler_chain_init(llama_sampler_chain_default_params()));
  llama_sampler* chain = sampler->chain_.get();
  if (options.repeat_penalty != 1.0f) {
    llama_sampler_chain_add(chain,
                            llama_sampler_init_penalties(tokenizer.n_vocab(), options.repeat_last_n,
                                                         options.repeat_penalty, 0, 0));
  }
  if (options.temperature <= 0) {
    llama_sampler_chain_add(chain, llama_sampler_init_greedy());
    return sampler;
  }
  llama_sampler_chain_add(chain, llama_sampler_init_top_k(options.top_k));
  llama_sampler_chain_add(chain, llama_sampler_init_top_p(options.top_p, 1));
  llama_sampler_chain_add(chain, llama_sampler_init_min_p(options.min_p, 1));
  llama_sampler_chain_add(chain, llama_sampler_init_temp(options.temperature));
  llama_sampler_chain_add(chain, llama_sampler_init_dist(options.seed));
  return sampler;
}

std::optional<int32_t> Sampler::sample(std::span<const float> logits,
                                       std::span<const int32_t> banned) {
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates_.push_back({static_cast<llama_token>(i), logits[i], 0.0f});
  }
  for (const int32_t token : banned)
    candidates_[token].logit = -INFINITY;
  llama_token_data_array array{candidates_.data(), candidates_.size(), -1, false};
  if (grammar_) {
    llama_sampler_apply(grammar_.get(), &array);
    bool any = false;
    for (size_t i = 0; i < array.size && !any; ++i)
      any = std::isfinite(array.data[i].logit);
    if (!any) return std::nullopt;
  }
  llama_sampler_apply(chain_.get(), &array);
  if (array.selected < 0) return std::nullopt;
  return static_cast<int32_t>(array.data[array.selected].id);
}

void Sampler::accept(int32_t token) {
  if (grammar_) llama_sampler_accept(grammar_.get(), token);
  llama_sampler_accept(chain_.get(), token);
}

void Sampler::accept_prompt(std::span<const int32_t> tokens) {
  for (const int32_t token : tokens)
    llama_sampler_accept(chain_.get(), token);
}

}  // namespace restkv
