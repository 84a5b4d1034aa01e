#include "engine/sampler.h"

#include <cmath>

namespace restkv {

Result<std::unique_ptr<Sampler>> Sampler::create(const SamplingOptions& options,
                                                 const Tokenizer& tokenizer) {
  auto sampler = std::make_unique<Sampler>();
  if (!options.grammar.empty()) {
    sampler->grammar_.reset(
        llama_sampler_init_grammar(tokenizer.vocab(), options.grammar.c_str(), "root"));
    if (!sampler->grammar_) {
      return Status::model("the grammar does not parse; it must be GBNF with a rule named root");
    }
  }
  sampler->chain_.reset(llama_sampler_chain_init(llama_sampler_chain_default_params()));
  llama_sampler* chain = sampler->chain_.get();
  if (options.repeat_penalty != 1.0f) {
    llama_sampler_chain_add(chain, llama_sampler_init_penalties(tokenizer.n_vocab(),
                                                                options.repeat_last_n,
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

Result<int32_t> Sampler::sample(std::span<const float> logits, std::span<const int32_t> banned) {
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates_.push_back({static_cast<llama_token>(i), logits[i], 0.0f});
  }
  for (const int32_t token : banned) candidates_[token].logit = -INFINITY;
  llama_token_data_array array{candidates_.data(), candidates_.size(), -1, false};
  if (grammar_) {
    llama_sampler_apply(grammar_.get(), &array);
    bool any = false;
    for (size_t i = 0; i < array.size && !any; ++i) any = std::isfinite(array.data[i].logit);
    if (!any) return Status::runtime("the grammar allows none of the model's tokens here");
  }
  llama_sampler_apply(chain_.get(), &array);
  if (array.selected < 0) return Status::runtime("sampling found no token");
  return static_cast<int32_t>(array.data[array.selected].id);
}

void Sampler::accept(int32_t token) {
  if (grammar_) llama_sampler_accept(grammar_.get(), token);
  llama_sampler_accept(chain_.get(), token);
}

}  // namespace restkv
